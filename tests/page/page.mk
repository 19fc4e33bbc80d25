# SPDX-License-Identifier: GPL-2.0-only
#
# Looking at the page. Read by the top Makefile.

# The real server without a kernel under it.
build/native/page-server: $(patsubst %,build/native/obj/tests/page/%.o,server world played) build/native/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $^ $(LIBS) -o $@

## check-page   the page and the report in a real browser, the dashboards against Grafana's types: 1 minute (needs npm; 900 MB of cache)
check-page: build/native/page-server build/asan/bin/kcoh
	@tests/page/report.py --keep build/page/report
	@cache=$$(scripts/cache browser) && { node tests/page/look.mjs $$cache; looked=$$?; node tests/page/grafana.mjs $$cache && exit $$looked; }
.PHONY: check-page
