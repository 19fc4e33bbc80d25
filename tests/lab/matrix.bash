# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the matrix is made of, and the table of its results: a row a kernel, a column a CPU.
#
#   kernel    neoverse-n1          cortex-a72           max
#   6.1       290 pass, 1 skip     288 pass, 1 skip     81 pass, 1 skip
#   6.12-16k  275 pass, 2 skip     SKIP: no 16k pages   82 pass, 1 skip

# shellcheck disable=SC2034 # for tests/lab/run
MATRIX_KERNELS=(6.1 6.12 6.12-16k 7)
# shellcheck disable=SC2034
MATRIX_CPUS=(neoverse-n1 cortex-a72 max)

declare -A cell_pass=() cell_fail=() cell_skip=()
skips=() boots=0 boot_seconds=0 complaints=0

# matrix_impossible COMBINATION: why nothing can be run there; nothing if something can.
matrix_impossible() {
	[[ $1 != *-16k/cortex-a72 ]] || echo "no 16k pages"
}

# matrix_count PASS|FAIL|SKIP COMBINATION TEXT
matrix_count() {
	case $1 in
	PASS) cell_pass[$2]=$((${cell_pass[$2]:-0} + 1)) ;;
	FAIL) cell_fail[$2]=$((${cell_fail[$2]:-0} + 1)) ;;
	SKIP) cell_skip[$2]=$((${cell_skip[$2]:-0} + 1)) && skips+=("$2 $3") ;;
	esac
}

# matrix_boot KMSG SECONDS: one boot ended; its kernel's log, and how long it took.
matrix_boot() {
	boots=$((boots + 1)) boot_seconds=$((boot_seconds + $2))
	complaints=$((complaints + $(splats "$1" 2>/dev/null | wc -l)))
}

cell() {
	local where=$1 text=''
	[[ -z ${cell_pass[$where]:-} ]] || text="${cell_pass[$where]} pass"
	[[ -z ${cell_fail[$where]:-} ]] || text+="${text:+, }${cell_fail[$where]} FAIL"
	[[ -z ${cell_skip[$where]:-} ]] || text+="${text:+, }${cell_skip[$where]} skip"
	[[ -z $(matrix_impossible "$where") ]] || text="SKIP: $(matrix_impossible "$where")"
	echo "${text:--}"
}

matrix_table() {
	local rows columns kernel cpu
	mapfile -t rows < <(combinations | awk -F/ '!seen[$1]++ { print $1 }')
	mapfile -t columns < <(combinations | awk -F/ '!seen[$2]++ { print $2 }')
	echo
	printf '%-9s' kernel
	printf ' %-24s' "${columns[@]}"
	echo
	for kernel in "${rows[@]}"; do
		printf '%-9s' "$kernel"
		for cpu in "${columns[@]}"; do
			printf ' %-24s' "$(cell "$kernel/$cpu")"
		done
		echo
	done
	[[ -z ${cell_pass[64k/-]:-} ]] || printf '%-9s %s\n' 64k "compiled only"
	((${#skips[@]} == 0)) || printf 'skipped: %s\n' "${skips[@]}"
	echo "$complaints complaints of the kernel in $boots boots of $boot_seconds s in all; wall time $SECONDS s"
}
