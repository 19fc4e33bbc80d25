# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Packages of any Debian suite and architecture, fetched and unpacked, with nothing installed.
#
# apt is asked through a private state in the cache (`-c` of a file that moves lists, sources, status and archives
# there), so that the machine's own sources, lists and architectures are neither used nor changed. Its other settings,
# such as a proxy, do count. Signatures are checked against Debian's own archive keyring. One state holds one set of
# suites for one architecture, and is filled when first needed: "bookworm-backports, arm64" is 0.3 MB of lists.
#
# apt continues a file that was half downloaded. Packages are unpacked by tar, their scripts never run: what a script
# would have made (a link of update-alternatives, say) is missing, and whoever unpacks has to add it if he needs it.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# The Debian mirror the machine itself uses, if apt names one that is plain http(s).
debian_mirror() {
	local uri=${KCOH_MIRROR:-}
	[[ $uri ]] || uri=$(apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 2>/dev/null |
		awk '$1 ~ /^https?:\/\/.*\/debian\/?$/ && $3 == "main" { print $1; exit }') || true
	uri=${uri:-http://deb.debian.org/debian}
	printf '%s\n' "${uri%/}"
}

# lock NAME: held until the script ends.
lock() {
	local fd
	mkdir -p "$KCOH_CACHE/lock" 2>/dev/null || die "the cache folder $KCOH_CACHE cannot be written; set KCOH_CACHE to another"
	exec {fd}>"$KCOH_CACHE/lock/$1"
	flock -n "$fd" && return
	say "waiting for another run that is preparing $1"
	flock "$fd"
}

# apt_open ARCH SUITE: choose the private state, and fill it if it is new; sets APT_STATE.
apt_open() {
	APT_STATE=$KCOH_CACHE/apt/$2-$1
	[[ -e $APT_STATE/filled ]] || apt_fill "$1" "$2"
}

# In a subshell, so that its lock is held no longer than it lasts.
apt_fill() (
	local arch=$1 suite=$2 mirror
	lock "apt-$suite-$arch"
	[[ ! -e $APT_STATE/filled ]] || return 0
	[[ -r $KEYRING ]] || die "Debian's archive keyring $KEYRING is missing; install the package debian-archive-keyring"
	mirror=$(debian_mirror)
	mkdir -p "$APT_STATE/lists/partial" "$APT_STATE/archives/partial"
	: >"$APT_STATE/status"
	printf 'deb [arch=%s signed-by=%s] %s %s main\n' "$arch" "$KEYRING" "$mirror" "$suite" >"$APT_STATE/sources.list"
	cat >"$APT_STATE/apt.conf" <<-CONF
		#clear APT::Architectures;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear APT::Default-Release;
		#clear DPkg::Pre-Install-Pkgs;
		APT::Architecture "$arch";
		APT::Architectures { "$arch"; };
		APT::Get::List-Cleanup "false";
		APT::Install-Recommends "false";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
		Dir::State "$APT_STATE";
		Dir::State::lists "$APT_STATE/lists";
		Dir::State::status "$APT_STATE/status";
		Dir::State::extended_states "$APT_STATE/extended_states";
		Dir::Cache "$APT_STATE";
		Dir::Cache::pkgcache "";
		Dir::Cache::srcpkgcache "";
		Dir::Etc::sourcelist "$APT_STATE/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "/dev/null";
		Dir::Etc::trusted "/dev/null";
		Dir::Etc::trustedparts "/dev/null";
		DPkg::Use-Pty "false";
	CONF
	apt_update
	touch "$APT_STATE/filled"
)

apt_run() {
	local tool=$1
	shift
	"$tool" -qq -c "$APT_STATE/apt.conf" "$@"
}

# The one sentence for a download that failed: apt's own first error, where, and what to do.
apt_failed() {
	local why
	why=$(grep -m1 -E '^(E|Err|W):' "$1" | cut -c1-200) || true
	die "cannot fetch $2 from $(debian_mirror) (apt: ${why:-no reason given}), and the cache lacks it; check the network and try again: what was downloaded is kept"
}

apt_update() {
	say "fetching Debian's package lists (${APT_STATE##*/})"
	apt_run apt-get update >"$APT_STATE/log" 2>&1 || apt_failed "$APT_STATE/log" "Debian's package lists"
}

# fetch alone|all DIR PACKAGE…: download packages, alone or with all they depend on, into DIR/archives.
fetch() {
	local how=$1 dir=$2 log=$2/apt.log
	shift 2
	mkdir -p "$dir/archives/partial"
	say "fetching $(fetch_size "$how" "$@") from ${APT_STATE##*/}"
	fetch_once "$how" "$dir" "$@" >"$log" 2>&1 && return
	(lock "apt-${APT_STATE##*/}" && apt_update) # the lists may be older than the mirror
	fetch_once "$how" "$dir" "$@" >"$log" 2>&1 || apt_failed "$log" "$*"
}

fetch_once() {
	local how=$1 dir=$2
	shift 2
	if [[ $how == all ]]; then
		# What an interrupted run fetched and Debian replaced since must not be unpacked too.
		apt_run apt-get -o Dir::Cache::archives="$dir/archives" autoclean
		apt_run apt-get -o Dir::Cache::archives="$dir/archives" -y --download-only install "$@"
	else
		(cd "$dir/archives" && apt_run apt-get download "$@")
	fi
}

# fetch_source DIR PACKAGE: the files of a source package of this state's suite, into DIR/source. Its list is not kept: it is wanted rarely.
fetch_source() {
	local dir=$1 package=$2 log=$1/apt.log
	say "fetching the source of $package from ${APT_STATE##*/}"
	mkdir -p "$dir/source" "$dir/lists/partial"
	sed 's/^deb /deb-src /' "$APT_STATE/sources.list" >"$dir/sources.list"
	local -a its=(-o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::State::lists="$dir/lists")
	{
		apt_run apt-get "${its[@]}" update &&
			(cd "$dir/source" && apt_run apt-get "${its[@]}" source --download-only "$package")
	} >"$log" 2>&1 || apt_failed "$log" "the source of $package"
}

fetch_size() {
	local how=$1 verb=install
	shift
	[[ $how == all ]] || verb=download
	apt_run apt-get -y --print-uris "$verb" "$@" 2>/dev/null |
		awk '/^.http/ { n++; b += $3 } END { printf "%d package%s, %.0f MB,", n, n == 1 ? "" : "s", b / 1e6 }'
}

# unpack DIR DEB…: only files, no scripts; documentation is left out; works over a merged /usr.
unpack() {
	local root=$1 deb
	shift
	mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib"
	for deb in bin sbin lib; do
		[[ -e $root/$deb ]] || ln -s "usr/$deb" "$root/$deb"
	done
	for deb in "$@"; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner --keep-directory-symlink \
			--exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale' \
			--exclude='./usr/share/info' --exclude='./usr/share/lintian' --exclude='./usr/share/bug'
	done
}

# relative_links DIR: an absolute link inside an unpacked tree would lead out of it.
relative_links() {
	local link to
	while IFS=$'\t' read -r link to; do
		ln -sfnr "$1$to" "$link"
	done < <(find "$1" -type l -lname '/*' -printf '%p\t%l\n')
}
