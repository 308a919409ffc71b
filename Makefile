# make demo                          the whole product on a sample recording
# make demo RECORDING=/path/to/...   the same on a real published/presentation/ID
# make test                          every test
# make lint                          formatting and lints
# make reference                     the chapters on every setting, after a setting has changed
# make deb                           the two Debian packages, in target/debian
#
# Everything is built in the release profile: one build of the dependencies serves all.

CARGO ?= cargo
RECORDING ?=

.PHONY: build demo test lint reference deb install

build:
	$(CARGO) build --release --workspace

demo: install
	CARGO="$(CARGO)" tests/demo.sh $(if $(RECORDING),"$(RECORDING)")

test: install build
	$(CARGO) test --release --workspace --no-fail-fast

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings

reference: build
	target/release/settings-reference

deb:
	CARGO="$(CARGO)" packaging/build.sh

install:
	@tests/install.sh
