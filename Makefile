# orbitbench: `make run` compares every engine on this machine, `make test` proves the program.

SHELL       := /bin/sh
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOTESTSUM   := gotest.tools/gotestsum@v1.13.0
FUZZTIME    ?= 30s
TIMEOUT     ?= 40m
RACEFLAGS   ?= -short
RUNFLAGS    ?=
BENCHFLAGS  ?=
AAFLAGS     ?=
IMAGE       ?= orbitbench
MACHINE     ?= $$(hostname -s)
BASE        ?= docker.io/library/debian:bookworm

# The rocksdb engine is built where its library is. The yardsticks are not in the
# default build: YARDSTICKS=1 adds those whose library is here, as tests and
# benchmarks always do. TAGS=... on the command line stands over both.
LIBRARY = engines/adapter/library.sh
EVERY   = $$({ engines/rocksdb/library.sh tags; $(LIBRARY) lmdb tags; $(LIBRARY) sqlite tags; echo badger; } | paste -sd, -)
ifdef YARDSTICKS
TAGS    = $(EVERY)
else
TAGS    = $$(engines/rocksdb/library.sh tags)
endif
test race lint bench bench-quick: TAGS = $(EVERY)
# A failure is a failure. RERUN=2, as CI sets it, runs a test that failed up to twice more, alone,
# and names it in unsteady-*.txt if it passes then; a data race is never run again.
TESTS   = go test $(1) ./...
ifdef RERUN
TESTS   = go run $(GOTESTSUM) --format pkgname --hide-summary skipped --rerun-fails=$(RERUN) --rerun-fails-max-failures 6 \
          --rerun-fails-abort-on-data-race --rerun-fails-report unsteady-$@.txt --packages ./... -- $(1)
endif
VERSION = $$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
BIN     = bin/orbitbench

.PHONY: run build deps yardsticks test race lint fuzz bench bench-quick parity aa results notices image clean help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile

run: deps build ## install what is missing, compare every engine here in two to three minutes, print the table
	$(BIN) run --profile quick $(RUNFLAGS)

deps: ## install librocksdb-dev if it is missing (root and apt; else the rocksdb row is skipped)
	@engines/rocksdb/library.sh install
ifdef YARDSTICKS
	@$(LIBRARY) lmdb install
	@$(LIBRARY) sqlite install
endif

yardsticks: ## install liblmdb-dev and libsqlite3-dev if they are missing (root and apt; else their rows are skipped)
	@$(LIBRARY) lmdb install
	@$(LIBRARY) sqlite install

build: ## build bin/orbitbench
	@mkdir -p bin
	go build -buildvcs=auto -tags "$(TAGS)" -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/orbitbench

test: deps yardsticks lint ## everything: lint, the build without cgo, all tests
	CGO_ENABLED=0 go build -buildvcs=false ./...
	$(call TESTS,-timeout $(TIMEOUT) -tags "$(TAGS)")

# Without that setting each process that a test starts sleeps for a second at its end.
race: deps yardsticks ## all tests under the race detector, with fewer repetitions (RACEFLAGS= for all of them)
	GORACE="atexit_sleep_ms=0 $$GORACE" $(call TESTS,-race -timeout $(TIMEOUT) $(RACEFLAGS) -tags "$(TAGS)")

lint: ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l engines workloads harness reports cmd); \
	if [ -n "$$unformatted" ]; then echo "not gofmt-clean:" $$unformatted; exit 1; fi
	go vet -tags "$(TAGS)" ./...
	go run $(STATICCHECK) -tags "$(TAGS)" ./...

fuzz: ## run every fuzzer for FUZZTIME (30s) each
	@go list -f '{{.Dir}}' ./... | while read -r dir; do \
	  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null | sed 's/^func //' | while read -r name; do \
	    echo "== $$dir $$name"; (cd "$$dir" && go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x .) || exit 1; \
	  done || exit 1; \
	done

bench: deps yardsticks build ## the whole table of speeds, recovery and memory against floor and peers, in Go benchmark format
	$(BIN) bench $(BENCHFLAGS)

bench-quick: deps yardsticks build ## speeds at 100k actors only, within ten minutes
	$(BIN) bench --quick $(BENCHFLAGS)

# The peers' own benchmarks; what cannot be installed is left out with its reason.
parity: PEBBLE_TOOL = github.com/cockroachdb/pebble/v2/cmd/pebble@v2.1.7
parity: deps build ## an open loop of 80k/s, the harness itself, and peers through their own benchmarks beside ours
	@[ -x bin/pebble ] || GOBIN=$(CURDIR)/bin go install $(PEBBLE_TOOL) || echo "pebble bench is left out: it could not be installed" >&2
	@command -v db_bench >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get install -y -q rocksdb-tools >&2; } \
	  || echo "db_bench is left out: install rocksdb-tools" >&2
	PATH="$(CURDIR)/bin:$$PATH" $(BIN) bench --rows P15,P16,P17 $(BENCHFLAGS)

aa: build ## can this machine tell a 10% slowdown from nothing? an engine against itself, and against itself slowed down
	$(BIN) aa $(AAFLAGS)

results: deps build ## the reference run: profile standard into results/MACHINE, with its report and environment (about half an hour)
	rm -rf results/.new results/.new.data
	$(BIN) run --profile standard --out results/.new $(RUNFLAGS)
	for kept in with crash.md; do [ ! -e results/$(MACHINE)/$$kept ] || mv results/$(MACHINE)/$$kept results/.new/ || exit 1; done
	rm -rf results/$(MACHINE)
	mv results/.new results/$(MACHINE)
	$(BIN) report results/$(MACHINE)

notices: ## write the third-party notices anew from the modules of the build
	go run ./cmd/orbitbench/notices > cmd/orbitbench/notices.txt

image: ## build the container image with buildah or docker
	@if command -v buildah >/dev/null 2>&1; then buildah build --build-arg BASE=$(BASE) -t $(IMAGE) .; \
	else docker build --build-arg BASE=$(BASE) -t $(IMAGE) .; fi

clean: ## remove what make built
	rm -rf bin
