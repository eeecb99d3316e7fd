# Every command of the README and of CONTRIBUTING.md. The work itself is in .ci/ and Fixtures/.
# STRICT is shared by every debug build, so that `test` and `check` build once, not twice.
STRICT = -Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error
FOLDERS = $(wildcard Package.swift Sources Tests Fixtures Benchmarks Examples)

.PHONY: demo gateway test check format bench bench-check fuzz docs certs sanitize soak

demo: ## A table: fresh clients share one pool, over every protocol and route.
	@.ci/install build
	@Fixtures/demo/run

gateway: ## The gateway of Examples/Gateway on loopback. KEEP=1 keeps it running, SOAK=seconds loads it.
	@.ci/install build
	@KEEP="$(KEEP)" SOAK="$(SOAK)" Examples/Gateway/run

test: ## Every test; installs the libraries and real servers that are missing.
	@.ci/install test
	@$(MAKE) --no-print-directory certs
	@STRICT="$(STRICT)" .ci/test

check: ## Format, generated pages, warnings as errors, imports, the tidy tests; the fuzz targets compile.
	swift format lint --strict -r -p $(FOLDERS)
	@.ci/pages --check
	.ci/build --build-tests $(STRICT)
	swift test --skip-build $(STRICT) --filter '^ApusTidyTests\.'
	APUS_FUZZ=1 .ci/build $(STRICT) --target Fuzz

format: ## Rewrites the Swift files as .swift-format says.
	swift format -i -r -p $(FOLDERS)

bench: ## Measures the tool and the layers.
	@.ci/optional Benchmarks/run "make bench: there are no benchmarks in this tree yet."

bench-check: ## Instructions and allocations of each layer against Benchmarks/counts.txt; needs valgrind.
	@Benchmarks/check

fuzz: ## Runs each fuzz target for FUZZ_SECONDS (20 by default).
	@.ci/optional Fixtures/fuzz/run "make fuzz: there are no fuzz targets in this tree yet."

docs: ## A site of the documentation of all products, in .build/docs; broken links are errors.
	@STRICT="$(STRICT)" .ci/docs $(TRAITS)

certs: ## Certificates for the loopback servers, made anew when missing or near their end.
	@Fixtures/certs/generate

sanitize: ## Every test under the thread sanitizer, the address sanitizer, and checks of exclusive access.
	@.ci/sanitize thread
	@.ci/sanitize address
	@.ci/sanitize exclusivity

soak: ## The long forms of the short runs: 100,000 exchanges, 2000 scopes, a million steps each.
	@.ci/install test
	@$(MAKE) --no-print-directory certs
	.ci/build --build-tests $(STRICT)
	APUS_SOAK=1 swift test --skip-build $(STRICT) --filter 'Soak|RandomWalk|StaleConnection'
