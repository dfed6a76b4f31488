# A thin front over Meson and the scripts: each target is a few lines that
# could be typed. `make help` lists them.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON  ?= /usr/bin/python3

# Seconds per fuzz target, kills of a torture run, measures of a bench run.
FUZZ_SECONDS ?= 30
N            ?= 1000
BENCH        ?=

NINJA = ninja -j$(JOBS)
RUN   = $(PYTHON) tests/run.py

MESON_release  = --buildtype=release -Db_lto=true -Dtests=false
MESON_bench    = $(MESON_release) -Dbench=true
MESON_dev      = --buildtype=debugoptimized
MESON_test     = --buildtype=debug -Doptimization=1 \
		 -Db_sanitize=address,undefined -Db_lundef=false
MESON_tsan     = --buildtype=debug -Doptimization=1 -Db_sanitize=thread \
		 -Db_lundef=false
MESON_coverage = --buildtype=debug -Db_coverage=true
MESON_fuzz     = --buildtype=debug -Doptimization=1 -Dfuzz=true \
		 -Db_sanitize=address,undefined -Db_lundef=false \
		 -Dc_args=-fsanitize=fuzzer-no-link
ENV_fuzz       = CC=clang

.PHONY: all help deps release demo test test-unit test-integration test-e2e \
	test-backstage tsan coverage lint format fuzz dev watch bench torture install \
	uninstall clean

all: deps release ## build/runnerhub, optimised

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9 -]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | \
		expand -t 48

deps:
	@scripts/setup --check build

release: $(BUILD)/release/build.ninja
	@$(NINJA) -C $(BUILD)/release
	@ln -sf release/src/cmd/runnerhub $(BUILD)/runnerhub

# One rule for every build directory; its options are MESON_<name> above.
$(BUILD)/%/build.ninja:
	@rm -rf $(@D)
	$(ENV_$*) meson setup $(@D) $(MESON_$*)

demo: ## install, build, run a job and a component; KEEP=1 leaves the hub serving
	@scripts/setup demo
	@$(MAKE) --no-print-directory all
	@KEEP=$(KEEP) scripts/demo $(BUILD)/runnerhub

test: ## install, build with sanitizers, run every test
	@scripts/setup test
	@$(MAKE) --no-print-directory $(BUILD)/test/build.ninja
	@$(NINJA) -C $(BUILD)/test
	@$(RUN) --build $(BUILD)/test unit fuzz integration e2e

# One suite, on the sanitizer build: make test-unit T=test_base, or T=<what
# pytest -k takes>.
test-unit test-integration test-e2e: test-%: $(BUILD)/test/build.ninja ## one suite; T=name picks
	@$(NINJA) -C $(BUILD)/test
	@$(RUN) --build $(BUILD)/test $(if $(T),--only '$(T)') $*

test-backstage: ## the hub behind a real Backstage from npm (400 MB, once)
	@scripts/setup all
	@$(MAKE) --no-print-directory $(BUILD)/test/build.ninja
	@$(NINJA) -C $(BUILD)/test
	@RUNNERHUB_BUILD=$(abspath $(BUILD))/test $(PYTHON) -m pytest -q \
		-p no:cacheprovider tests/backstage

tsan: $(BUILD)/tsan/build.ninja ## unit and integration tests under ThreadSanitizer
	@$(NINJA) -C $(BUILD)/tsan
	@$(RUN) --build $(BUILD)/tsan $(if $(T),--only '$(T)') unit integration

coverage: $(BUILD)/coverage/build.ninja ## line and branch coverage as HTML
	@$(NINJA) -C $(BUILD)/coverage
	@$(RUN) --build $(BUILD)/coverage unit fuzz integration || \
		echo 'coverage: some tests failed; reporting what ran'
	@mkdir -p $(BUILD)/coverage/html
	@gcovr --root . --filter src/ $(BUILD)/coverage --print-summary \
		--exclude-unreachable-branches \
		--html-details $(BUILD)/coverage/html/index.html
	@echo "coverage: $(BUILD)/coverage/html/index.html"

lint: ## every mechanical check; LINT=changed looks at changed files only
	@BUILD=$(BUILD) LINT=$(LINT) JOBS=$(JOBS) tools/lint

format: ## clang-format in place
	@clang-format -i $$(git ls-files '*.c' '*.h')

fuzz: $(BUILD)/fuzz/build.ninja ## libFuzzer; FUZZ_SECONDS per target, T=name picks one
	@$(NINJA) -C $(BUILD)/fuzz fuzzers
	@$(PYTHON) tests/fuzz/run.py --build $(BUILD)/fuzz \
		--seconds $(FUZZ_SECONDS) $(if $(T),--only '$(T)')

dev: $(BUILD)/dev/build.ninja ## serve with a debug log; rebuild and restart on change
	@$(PYTHON) scripts/dev serve $(BUILD)/dev

watch: $(BUILD)/dev/build.ninja ## run the unit tests again on each change
	@$(PYTHON) scripts/dev test $(BUILD)/dev

bench: ## measure, beside peers and floors; BENCH='delegate step' picks
	@scripts/setup bench
	@$(MAKE) --no-print-directory $(BUILD)/bench/build.ninja
	@$(NINJA) -C $(BUILD)/bench
	@$(PYTHON) bench/run.py --build $(BUILD)/bench $(BENCH)

torture: $(BUILD)/test/build.ninja ## kill -9 the hub N times under load
	@$(NINJA) -C $(BUILD)/test
	@RUNNERHUB_BUILD=$(BUILD)/test $(PYTHON) tests/torture/torture.py --kills $(N)

install: all ## into $(DESTDIR)$(PREFIX)
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' deploy/install $(BUILD)/release

uninstall: ## takes away what install put there, with the same PREFIX
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' deploy/install --remove $(BUILD)/release

clean: ## remove everything that was built
	rm -rf $(BUILD)
