# What can be made is listed by `make help`. Everything is built by the Swift package manager;
# packages that are missing are installed from Debian's by scripts/install-packages.

SWIFT ?= swift
PREFIX ?= /usr/local
DESTDIR ?=
# The release needs no Swift toolchain where it runs.
RELEASE = -c release --static-swift-stdlib
BENCH ?=
SECONDS ?= 60
STORM ?= 60
SEED ?= 1
ROUNDS ?= 20
# Tests at once. All of them at once starve each other, so that one that waits for a process or a
# terminal waits for a thousand others.
WIDTH ?= 8

.PHONY: help demo test crash partitions fuzz model bench simulate build release install man lint format imports clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: release ## Watch Sluice at work: an Internet in a box, and the monitor on it
	@echo "==> Starting the demonstration; q ends it"
	@.build/release/sluice demo

test: ## Run all tests
	@scripts/install-packages build test
	@echo "==> Building and running the tests (the first build takes some minutes)"
	@SWIFT='$(SWIFT)' scripts/run-tests --experimental-maximum-parallelization-width $(WIDTH)

crash: ## Kill it at every point of a message's way; STORM=300 SEED=7 for a longer storm
	@scripts/install-packages build test
	@echo "==> Killing processes, and counting the mail (half an hour)"
	SLUICE_CRASH=1 SLUICE_CRASH_TABLE=$(CURDIR)/docs/crash-matrix.md SLUICE_STORM=$(STORM) \
	SLUICE_STORM_SEED=$(SEED) $(SWIFT) test --filter 'CrashMatrixTests|StormTests'
	@cat docs/crash-matrix.md

partitions: ## Cut off, kill, drain and fail over three nodes and their database; SEED=7 ROUNDS=50 for a longer run
	@scripts/install-packages build test
	@echo "==> Three nodes in network namespaces (half a minute a round)"
	SLUICE_PARTITIONS=$(ROUNDS) SLUICE_PARTITIONS_SEED=$(SEED) $(SWIFT) test --filter NamespaceTests

fuzz: ## Fuzz every parser for SECONDS (default 60) each
	@scripts/install-packages build
	@SWIFT='$(SWIFT)' scripts/fuzz $(SECONDS)

model: ## Explore the protocol of the cluster with wider bounds than the tests do
	@scripts/install-packages build
	@echo "==> Exploring (some minutes)"
	$(SWIFT) build -c release --product cluster-model
	@.build/release/cluster-model

bench: release ## Measure Sluice beside Postfix; BENCH=--quick for a short run, BENCH=PART for a part, BENCH=monitor for the monitor, BENCH=nodes for clusters, BENCH=scale for large ones
	@scripts/install-packages bench
	@echo "==> Measuring beside Postfix (about ten minutes; nothing else should be running)"
	@python3 Benchmarks/bench.py $(BENCH)

simulate: release ## Run the scheduler against modelled receivers, beside models of its peers
	@.build/release/sluice simulate --core --json .build/simulate.json

build: ## Build for development
	@scripts/install-packages build
	@echo "==> Building"
	$(SWIFT) build

release: ## Build for use
	@scripts/install-packages build
	@echo "==> Building the release (the first build takes some minutes)"
	$(SWIFT) build $(RELEASE)
	@scripts/check-release .build/release/sluice .build/release/sluiced

install: release man ## Install into PREFIX (default /usr/local)
	@echo "==> Installing into $(DESTDIR)$(PREFIX)"
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/sluice/themes
	install -s -m 755 .build/release/sluice .build/release/sluiced $(DESTDIR)$(PREFIX)/bin
	install -m 644 themes/* $(DESTDIR)$(PREFIX)/share/sluice/themes
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 .build/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 .build/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 .build/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -m 644 .build/man/sluice.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sluice
	install -m 644 .build/man/sluiced.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sluiced
	install -m 644 .build/man/_sluice .build/man/_sluiced $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 .build/man/sluice.fish .build/man/sluiced.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -d $(DESTDIR)$(PREFIX)/share/sluice/scenarios
	install -m 644 scenarios/* $(DESTDIR)$(PREFIX)/share/sluice/scenarios

man: release ## Write the manual and the completions for shells into .build/man
	@echo "==> Writing the manual"
	install -d .build/man
	.build/release/sluice --experimental-dump-help | .build/release/sluice manual sluice.1 > .build/man/sluice.1
	.build/release/sluiced --experimental-dump-help | .build/release/sluice manual sluiced.8 > .build/man/sluiced.8
	.build/release/sluice manual sluice.toml.5 < docs/sluice.toml > .build/man/sluice.toml.5
	for program in sluice sluiced; do \
	  .build/release/$$program --generate-completion-script bash > .build/man/$$program.bash && \
	  .build/release/$$program --generate-completion-script zsh > .build/man/_$$program && \
	  .build/release/$$program --generate-completion-script fish > .build/man/$$program.fish || exit 1; \
	done

lint: ## Check the format of the sources
	$(SWIFT) format lint --strict --recursive --parallel Sources Tests Fuzz Package.swift

format: ## Format the sources
	$(SWIFT) format --in-place --recursive --parallel Sources Tests Fuzz Package.swift

imports: ## Check that every import of another target is declared in Package.swift
	$(SWIFT) build --build-tests --explicit-target-dependency-import-check error

clean: ## Remove what was built
	$(SWIFT) package clean
