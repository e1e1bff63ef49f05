# Denwa's build. "make test" needs nothing but Go: it sets up the rest.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build test test-long lint fmt generate fresh vuln unit fuzz bench screenshots clean
MAKEFLAGS += --no-print-directory

# Tools, at their versions, in a folder that git ignores.
golangci-lint := .tools/v2.15.0/golangci-lint
govulncheck   := .tools/v1.9.0/govulncheck
gotestsum     := .tools/v1.13.0/gotestsum
oapi-codegen  := .tools/v2.8.2/oapi-codegen
kustomize     := .tools/v5.7.1/kustomize

# How often each test runs, each fuzz target, each benchmark; time is possible
# too (FUZZ=30s BENCH=1s). Fuzzing is counted here, because a run limited by
# time fails now and then without a finding: https://go.dev/issue/75804.
COUNT ?= 1
FUZZ  ?= 5000x
BENCH ?= 1x

# The go command and the linter keep their caches below HOME.
export HOME := $(or $(HOME),$(CURDIR)/.tools/home)

step = @mkdir -p .tools; echo '==> $(1)'
tests-with = grep -rnoE --include='*_test.go' --exclude-dir='.?*' '^func $(1)[A-Z][A-Za-z0-9_]*' .

help: ## List the targets.
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Install what the tests need and Debian has.
	$(call step,set-up)
	@.ci/setup

build: ## Build bin/denwa.
	$(call step,build)
	@go build ./...
	@go build -o bin/ ./cmd/denwa

test: setup build lint fresh vuln unit fuzz bench ## All of it: set-up, build, lint, tests, a little fuzzing.
	@cat .tools/result

test-long: ## A long soak, the tests ten times in other orders, and long fuzzing.
	@DENWA_SOAK=3000 go test -count=1 -timeout=60m -run TestSoak ./cmd/denwa
	@$(MAKE) setup build unit fuzz COUNT=10 GUIDED=-fuzz=. FUZZ=1000000x

lint: $(golangci-lint) ## Vet, lint, check formatting and import directions.
	$(call step,lint)
	@go vet ./...
	@$(golangci-lint) run

fmt: $(golangci-lint) ## Format, and mend what the linter can.
	@$(golangci-lint) fmt
	@$(golangci-lint) run --fix

generate: ## Write generated files again.
	@go generate ./...

# Compares the work tree with itself, so it is right with uncommitted changes too.
checksums = find . \( -path ./.git -o -path ./.tools -o -path ./bin \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
direct    = go list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all | grep . | sort

fresh: ## Check that generated files, go.mod and docs/dependencies.md are up to date.
	$(call step,generated files and dependencies)
	@$(checksums) >.tools/before
	@$(MAKE) generate >.tools/generate 2>&1 || { cat .tools/generate; exit 1; }
	@$(checksums) >.tools/after
	@diff .tools/before .tools/after >.tools/changed || { \
		echo 'These were stale. They are written again: look at them and commit.'; \
		awk '/^[<>]/ { print "  " $$3 }' .tools/changed | sort -u; exit 1; }
	@go mod tidy -diff
	@diff <($(direct)) <(sed -nE 's/^\| `([^`]*)` .*/\1/p' docs/dependencies.md | sort) || { \
		echo 'The direct dependencies in go.mod (<) and the lines in docs/dependencies.md (>) differ.'; exit 1; }

vuln: $(govulncheck) ## Look for known vulnerabilities in the code that is called.
	$(call step,vulnerabilities)
	@timeout 300 $(govulncheck) ./... >.tools/vuln 2>&1 || { \
		if [ $$? = 124 ] || grep -q 'fetching vulnerabilities' .tools/vuln; \
		then echo 'not checked: the vulnerability database does not answer'; \
		else cat .tools/vuln; exit 1; fi; }

unit: $(gotestsum) $(oapi-codegen) $(kustomize) ## The tests, with the race detector, in random order.
	$(call step,tests)
	@rm -rf .tools/race && mkdir -p .tools/race
	@$(races) $(gotestsum) --format standard-quiet --format-hide-empty-pkg --post-run-command='$(result)' \
		-- -race -shuffle=on -count=$(COUNT) -timeout=15m ./... || { cat .tools/race/* 2>/dev/null; exit 1; }

# A race is found in whatever test runs then, and what is said of it belongs to the
# output of another, maybe one that passes. So reports are kept apart.
races = GORACE='log_path=$(CURDIR)/.tools/race/report'

result = bash -c "echo $$((TESTS_TOTAL - TESTS_FAILED - TESTS_SKIPPED)) passed, $$TESTS_FAILED failed, $$TESTS_SKIPPED skipped >.tools/result"

# Without GUIDED=-fuzz=. nothing is built anew for it: guidance by coverage takes
# minutes to build, and a few thousand inputs gain little by it.
fuzz: ## Run each fuzz target a little; GUIDED=-fuzz=. FUZZ=10m long and by coverage.
	$(call step,fuzz targets for $(FUZZ))
	@$(call tests-with,Fuzz) | cut -d: -f1 | xargs -n1 dirname | sort -u | while read -r folder; do \
		go test -c $(GUIDED) -o .tools/fuzz.test "$$folder" </dev/null; \
		for target in $$(.tools/fuzz.test -test.list='^Fuzz'); do \
			(cd "$$folder" && exec '$(CURDIR)/.tools/fuzz.test' -test.run='^$$' -test.fuzz="^$$target$$" -test.fuzztime=$(FUZZ) \
				-test.fuzzminimizetime=1000x -test.fuzzcachedir='$(CURDIR)/.tools/fuzz-cache') </dev/null >.tools/fuzz 2>&1 || { cat .tools/fuzz; exit 1; }; \
			echo "ok  $$target"; \
		done; \
	done

bench: ## Run each benchmark once; BENCH=1s measures.
	$(call step,benchmarks for $(BENCH))
	@go test -run='^$$' -bench=. -benchmem -benchtime=$(BENCH) $$($(call tests-with,Benchmark) | cut -d: -f1 | xargs -n1 dirname | sort -u) \
		$(if $(filter 1x,$(BENCH)),>.tools/bench 2>&1 || { cat .tools/bench; exit 1; })

# The tests of pages take a picture of every page. The ones that a README shows are kept.
screenshots: ## Take the pictures for the READMEs.
	@rm -rf .tools/screenshots && mkdir -p .tools/screenshots docs/screenshots
	@DENWA_SCREENSHOTS=$(CURDIR)/.tools/screenshots go test -count=1 -run 'TestLooks|View' ./gateway/pages ./gateway/dashboard ./providers/sandbox
	@rm -f docs/screenshots/*
	@cd .tools/screenshots && cp $$(grep -ohE '[a-z0-9-]+\.png' ../../README.md ../../docs/README.ja.md | sort -u) ../../docs/screenshots/

clean: ## Remove what make made.
	@chmod -Rf u+w .tools || true
	@rm -rf .tools bin

$(golangci-lint): package := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
$(govulncheck):   package := golang.org/x/vuln/cmd/govulncheck
$(gotestsum):     package := gotest.tools/gotestsum
$(kustomize):     package := sigs.k8s.io/kustomize/kustomize/v5
$(oapi-codegen):  package := github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen

.tools/%:
	$(call step,building $(notdir $@) $(notdir $(@D)))
	@GOBIN=$(abspath $(@D)) go install $(package)@$(notdir $(@D)) 2>.tools/install || { cat .tools/install; exit 1; }
