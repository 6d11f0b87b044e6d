# What one does with darkroom's source. `make run` and `make test` need nothing but this and a Rust toolchain.

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long test-all soak fmt lint bench docs

# Arguments for `make run`, such as: make run ARGS="--listen 127.0.0.1:3000"
ARGS ?=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install the build tools that are missing, or name them
	@scripts/setup

run: setup ## Run everything on this machine: http://127.0.0.1:8080
	cargo run --release -- local $(ARGS)

test: setup ## Run the tests
	scripts/cargo-test

test-long: setup ## Run the tests that take long or need tools: a browser, npm, PyPI, Prometheus, Terraform, attacks, a fuzzer
	scripts/cargo-test long
	scripts/attack-local
	scripts/fuzz
	scripts/browser-test
	tests/compare/run
	tests/advisories/run
	tests/container/run
	tests/editorconfig/run
	tests/examples/run
	tests/kubernetes/run
	tests/systemd/run
	tests/terraform/run

test-all: test test-long ## Run both

soak: setup ## An hour of uploads, kills, stops and faults on one machine: make soak SECONDS=600 for less
	DARKROOM_SOAK_SECONDS=$(or $(SECONDS),3600) scripts/cargo-test soak

fmt: ## Format the code
	cargo fmt --all

lint: setup ## Check format, lints, documentation, scripts and licences
	scripts/lint

bench: setup ## Measure rendering beside sharp; needs npm, and downloads its photographs
	benches/run

docs: setup ## Build the documentation of the crates
	cargo doc --workspace --no-deps
