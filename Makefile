# Bursar's commands for developers. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Steps follow one another; the go command keeps all cores busy by itself.
.NOTPARALLEL:

# The build uses the Go that is installed, and never downloads another.
export GOTOOLCHAIN := local

TOOLS := hack/tools/bin
controller-gen := $(TOOLS)/controller-gen
golangci-lint := $(TOOLS)/golangci-lint

# If KUBEBUILDER_ASSETS names a directory with the programs of Kubernetes, none are built.
ifeq ($(KUBEBUILDER_ASSETS),)
export KUBEBUILDER_ASSETS := $(CURDIR)/$(TOOLS)
kubernetes := $(addprefix $(TOOLS)/,kube-apiserver etcd kubectl)
endif

# What `make generate` writes.
GENERATED := api/v1alpha1/zz_generated.deepcopy.go api/v1alpha1/applyconfiguration config/crd/bases config/rbac/role.yaml config/webhook/manifests.yaml docs/reference
MODULES := . hack/tools hack/tools/cert-manager hack/tools/golangci-lint hack/tools/helm hack/tools/kube-router hack/tools/promcheck hack/tools/prometheus hack/tools/prometheus-operator hack/clients/gosdk hack/clients/openapi hack/release

# With the flags of `make build`, so that nothing is compiled twice.
go-run := CGO_ENABLED=0 go run -trimpath

##@ First

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build tools parts ## Show a budget at work, from YAML to a refused call and back, on real parts
	$(go-run) ./hack/demo

# They mostly wait (for sessions to be silent, leases to end), so they begin first.
slowest-tests := ./hack/e2e ./enforcer/cmd/enforcer ./controllers/setup ./enforcer/proxy ./controllers/recovery

.PHONY: test
test: build tools parts browser ## Run all tests, with the race detector, on real parts
	go test -race -timeout 20m $(slowest-tests) ./...
	cd hack/tools/promcheck && go test -count=1 ./...
	cd hack/release && go test -count=1 -timeout 20m ./...

.PHONY: run
run: build tools parts ## Run everything until Ctrl-C; DEV_DIR=... puts its files elsewhere than .dev
	@CGO_ENABLED=0 go build -trimpath -o bin/hack/run ./hack/run
	@CGO_ENABLED=0 go build -trimpath -o bin/hack/bursar-sign-in ./hack/signin
	@# Ctrl-C is how it ends, and no error: go run would make it one, and so would make, unless
	@# the program is a job of its own in the terminal. The shell forks only if it is not last.
	@if [ -t 0 ]; then set -m; fi; bin/hack/run || exit $$?

.PHONY: tour
tour: build tools parts ## Write docs/tour.md by running each command of kubectl budget
	$(go-run) ./hack/tour

.PHONY: screenshots
screenshots: tools parts browser ## Take the pictures of the console's pages in docs/pictures
	BURSAR_PICTURES=$(CURDIR)/docs/pictures go test -count=1 -run '^TestPictures$$' ./console/pages

##@ Code

.PHONY: build
build: ## Build bin/manager, bin/enforcer, bin/console and bin/kubectl-budget
	@mkdir -p bin
	@hack/gobuild.sh 'manager, enforcer, console and kubectl-budget' bin/ \
		./controllers/cmd/manager ./enforcer/cmd/enforcer ./console/cmd/console ./controllers/cmd/kubectl-budget

# What the programs say that they are, and the tag of the images; by default, by git. REGISTRY
# is a registry and a path to push to; none by default.
VERSION ?=
REGISTRY ?=
ARCHITECTURES ?= amd64,arm64

.PHONY: images
images: ## Make the images of manager, enforcer and console in dist/, without Docker; VERSION=v0.1.0, REGISTRY=registry.example.com/ai pushes
	@cd hack/release && go run ./cmd/images -version '$(VERSION)' -push '$(REGISTRY)' -architectures '$(ARCHITECTURES)'

# The file with minisign's private key, by which the checksums of a release are signed; its
# password is in BURSAR_SIGNING_PASSWORD. Without it, they are not signed.
SIGNING_KEY ?=
PUSH ?=

.PHONY: release
release: $(kubernetes) ## Make all of a release in dist/, which is removed first; VERSION=v0.1.0 REGISTRY=... SIGNING_KEY=... PUSH=yes
	rm -rf dist
	@cd hack/release && go run ./cmd/release -version '$(VERSION)' -registry '$(REGISTRY)' -architectures '$(ARCHITECTURES)' \
		-kubectl '$(KUBEBUILDER_ASSETS)/kubectl' -sign '$(SIGNING_KEY)' $(if $(PUSH),-push)

# The platforms of the plugin in `make release-twice`, such as linux/amd64; by default, all.
PLATFORMS ?=

.PHONY: release-twice
release-twice: $(kubernetes) ## Make a release twice, from clones and caches of their own, and compare; ARCHITECTURES=amd64 PLATFORMS=linux/amd64 is shorter
	@VERSION='$(VERSION)' ARCHITECTURES='$(ARCHITECTURES)' PLATFORMS='$(PLATFORMS)' hack/release/twice.sh

.PHONY: licenses
licenses: ## Check the licences of all that the programs are made of
	cd hack/release && go test -count=1 ./licenses

# A URL with the Go vulnerability database, where vuln.go.dev cannot be reached; file:///... is a
# directory, of a copy of it or of a clone of github.com/golang/vulndb (data/osv).
GOVULNDB ?=

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities that the programs, and what makes releases, reach; needs vuln.go.dev, or GOVULNDB=file:///...
	@mkdir -p bin/hack
	@cd hack/release && CGO_ENABLED=0 go build -trimpath -o ../../bin/hack/govulncheck golang.org/x/vuln/cmd/govulncheck
	bin/hack/govulncheck $(if $(GOVULNDB),-db '$(GOVULNDB)') ./controllers/... ./enforcer/... ./console/... ./webhook/...
	bin/hack/govulncheck $(if $(GOVULNDB),-db '$(GOVULNDB)') -C hack/release ./...

.PHONY: generate
generate: $(controller-gen) ## Generate deep copies, apply configurations, CRDs, RBAC, webhooks and docs/reference from the Go code
	$(controller-gen) object applyconfiguration crd paths=./api/v1alpha1/... output:crd:dir=config/crd/bases
	$(controller-gen) rbac:roleName=bursar-manager paths=./controllers/... output:rbac:dir=config/rbac
	$(controller-gen) webhook paths=./webhook output:webhook:dir=config/webhook
	@# The API server's default, which controller-gen cannot write: without it, server-side apply finds a conflict with kubectl apply.
	@sed -i "s/^    resources:$$/    scope: '*'\n&/" config/webhook/manifests.yaml
	@$(MAKE) --no-print-directory build
	@$(go-run) ./hack/reference

.PHONY: fmt
fmt: $(golangci-lint) ## Format the Go code
	$(golangci-lint) fmt

.PHONY: lint
lint: $(golangci-lint) ## Look for mistakes, and for imports that cross the borders of the house
	$(golangci-lint) run --allow-parallel-runners
	cd hack/release && $(CURDIR)/$(golangci-lint) run --allow-parallel-runners ./...
	hack/arrows.sh

.PHONY: verify
verify: generate lint ## Check that generated code, modules and formatting are current, and lint
	@dirty=$$(git status --porcelain -- $(GENERATED)); if [ -n "$$dirty" ]; then \
		git --no-pager diff -- $(GENERATED); \
		echo "error: generated code is not what is committed; run make generate and commit:" >&2; \
		echo "$$dirty" >&2; exit 1; fi
	go vet ./...
	@for module in $(MODULES); do (cd $$module && echo "go mod tidy -diff in $$module" && go mod tidy -diff); done

.PHONY: bench
bench: parts ## Measure what an admission costs, by the layout of its state in Redis
	go test -run '^$$' -bench . -benchmem ./enforcer/...

.PHONY: histories
histories: parts ## Hold the scripts against their model in 20,000 random histories
	go test -count=1 -v -timeout 30m -run '^TestScriptsAgreeWithTheModel$$' ./enforcer/store -rapid.checks=20000

.PHONY: exact
exact: build tools parts ## Make 1,000 calls at once through four enforcers, 50 times, where exactly 100 fit
	BURSAR_EXACT_RUNS=50 go test -count=1 -v -timeout 30m -run '^TestAsManyCallsAreAdmittedAsFit$$' ./hack/e2e

# The version that `make upgrade` upgrades from: a tag or commit; by default, the last release,
# or else the commit before.
PREVIOUS ?=

.PHONY: upgrade
upgrade: build tools parts ## Run managers and enforcers of PREVIOUS beside those of today, in both orders and back, under calls
	hack/e2e/previous.sh '$(PREVIOUS)' bin/previous
	BURSAR_PREVIOUS=$(CURDIR)/bin/previous go test -count=1 -v -timeout 30m -run '^TestUpgrade$$' ./hack/e2e

.PHONY: calendar
calendar: ## Walk through every period of five years in sixteen zones
	go test -count=1 -v ./api/period

# How long each target of `make fuzz` runs. What it finds is made smaller for two
# seconds at most: the sixty that go takes by itself would be all the time there is.
FUZZ_TIME ?= 60s

.PHONY: fuzz
fuzz: ## Fuzz every reader of requests and of answers, FUZZ_TIME (60s) each
	@for target in $$(go test -list '^Fuzz' ./enforcer/protocol | grep '^Fuzz'); do \
		echo "$$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 2s ./enforcer/protocol; done

.PHONY: bills
bills: ## Hold 10,000 random calls of all protocols against the provider's bill
	BURSAR_CALLS=10000 go test -count=1 -v -timeout 10m -run '^(TestBillAgainstHold|TestDisconnectAtEveryFrame|TestCutCallsCostWhatTheyCost)$$' ./enforcer/proxy

.PHONY: mixed
mixed: build tools parts ## Make 5,000 calls of all protocols, a third of them cut, and compare the ledger with the bill
	BURSAR_MIXED=5000 go test -count=1 -v -timeout 10m -run '^TestMixedCalls$$' ./hack/e2e

.PHONY: clients
clients: build tools parts ## Call Bursar with the providers' own clients; needs Node.js 20 or newer, and npm's network
	@cd hack/clients/gosdk && ../../gobuild.sh 'the clients for Go' bin/gosdk .
	@cd hack/clients/openapi && ../../gobuild.sh 'the check of the OpenAPI document' bin/openapi .
	go test -tags clients -count=1 -v -timeout 30m ./hack/clients
	go test -count=1 -v -timeout 10m -run '^TestDocument$$' ./hack/e2e/ask

.PHONY: faults
faults: build tools parts ## Kill enforcers and managers, lose Redis and Postgres again and again, set clocks; end with a table. FAULTS=losses runs that group
	hack/faults/run.sh $(FAULTS)

.PHONY: pgbouncer
pgbouncer: build tools parts ## Run what needs Postgres with PgBouncer before it, in transaction mode
	BURSAR_PGBOUNCER=$$(hack/parts/pgbouncer.sh bin/pgbouncer) go test -count=1 -v -timeout 30m ./hack/e2e \
		-run '^(TestAudit|TestPostgresIsAway|TestGrant|TestAlerts|TestRefusedCallIsOnRecord|TestRedisForgetsEverything|TestReplayOfWhatWas)$$'

.PHONY: restore
restore: build tools parts ## Bring Postgres and Redis back from earlier times, and say what that costs
	go test -count=1 -v -timeout 15m -run '^(TestPostgresComesBackOld|TestRedisComesBackOld)$$' ./hack/e2e

# How long `make soak` goes on.
SOAK ?= 1h

.PHONY: soak
soak: build tools parts ## Make calls for an hour (SOAK) while one thing after another fails; BURSAR_SEED=... has other faults
	BURSAR_SOAK=$(SOAK) go test -count=1 -v -timeout 24h -run '^TestSoak$$' ./hack/e2e

# The specs of the control plane whose long forms have targets of their own.
control-plane := go test -race -count=1 -v -timeout 5h -run '^TestControlPlane$$' ./controllers/setup -ginkgo.v -ginkgo.timeout=5h

# All of Kubernetes, and what enforces NetworkPolicies; those that KUBEBUILDER_ASSETS may name are a part of it.
whole-kubernetes := $(addprefix $(TOOLS)/,etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl kube-router)

# What users of Kubernetes have beside it, by which Bursar is installed, certified and watched.
beside-kubernetes := $(addprefix $(TOOLS)/,helm cert-manager prometheus prometheus-operator prometheus-config-reloader)

# The version that is upgraded from; by default the last tag, or else the commit before.
BEFORE ?=

.PHONY: e2e
e2e: parts $(whole-kubernetes) $(beside-kubernetes) ## Install, upgrade, disturb and remove Bursar on a whole Kubernetes of two nodes on this machine, as root on Debian; BEFORE=REVISION is upgraded from
	@hack/cluster/build.sh '$(BEFORE)'
	@hack/cluster/run.sh $(E2E)

.PHONY: resources
resources: tools parts ## Apply 2,000 generated resources, right and wrong; BURSAR_SEED=... makes others
	BURSAR_RESOURCES=2000 $(control-plane) -ginkgo.focus='Generated resources'

# How many scripts `make faults-operator` runs. Several runs, each with its own
# BURSAR_SEED, may run side by side.
SEEDS ?= 200

.PHONY: faults-operator
faults-operator: tools parts ## Run SEEDS (200) scripts of changes from BURSAR_SEED on, while requests fail and managers die (1.5 h)
	BURSAR_FAULT_SEEDS=$(SEEDS) $(control-plane) -ginkgo.focus='Faults of'

# How many calls `make bench-history` generates: ten million take 10 GB and some 20 minutes.
CALLS ?= 10000000
# What else it is told: -only='^page', -runs=50, -stay.
BENCH_HISTORY ?=

.PHONY: bench-history
bench-history: build tools parts ## Measure ledger, API and pages over CALLS (10,000,000) calls of one tenant, and compare their sums; BENCH_HISTORY='-only=^page -stay'
	@CGO_ENABLED=0 go build -trimpath -o bin/hack/bench-history ./hack/bench/history
	bin/hack/bench-history -calls $(CALLS) $(BENCH_HISTORY)

# How many TenantBudgets `make bench-operator` has.
BUDGETS ?= 10000

.PHONY: bench-console
bench-console: tools parts ## Measure what 200 people who watch Costs take of the console, how soon each sees a call, and pages of 10,000 tenants
	go test -timeout 20m -run '^$$' -bench Watchers -benchtime 10x ./console/pages
	go test -timeout 20m -run '^$$' -bench Budgets -benchtime 10x ./console/pages

.PHONY: bench-operator
bench-operator: build tools parts ## Measure the operator with BUDGETS (10,000) TenantBudgets on a real API server, and what calls through enforcers take
	$(go-run) ./hack/bench -budgets $(BUDGETS)

.PHONY: bench-proxy
bench-proxy: build parts ## Measure what a call through an enforcer costs, beside floors and, with PEER_URL and PEER_KEY, a peer; how soon it is in the ledger; how Redis' masters share calls (5 minutes)
	$(go-run) ./hack/bench/proxy $(BENCH_PROXY)

##@ Parts

.PHONY: tools
tools: $(kubernetes) ## Build kube-apiserver, etcd and kubectl, unless KUBEBUILDER_ASSETS names some

.PHONY: parts
parts: ## Install Redis, Postgres and a C compiler where they are missing, as root on Debian
	@hack/parts/install.sh

.PHONY: browser
browser: ## Install Chromium and axe-core where they are missing, for the tests of the console's pages
	@hack/parts/browser.sh

$(TOOLS)/golangci-lint: hack/tools/golangci-lint/go.mod hack/tools/golangci-lint/go.sum
	@hack/tools/build.sh $(@F)

$(TOOLS)/helm: hack/tools/helm/go.mod hack/tools/helm/go.sum
	@hack/tools/build.sh $(@F)

$(TOOLS)/kube-router: hack/tools/kube-router/go.mod hack/tools/kube-router/go.sum
	@hack/tools/build.sh $(@F)

$(TOOLS)/prometheus: hack/tools/prometheus/go.mod hack/tools/prometheus/go.sum
	@hack/tools/build.sh $(@F)

$(TOOLS)/prometheus-operator $(TOOLS)/prometheus-config-reloader: hack/tools/prometheus-operator/go.mod hack/tools/prometheus-operator/go.sum
	@hack/tools/build.sh $(@F)

$(TOOLS)/cert-manager: hack/tools/cert-manager/go.mod hack/tools/cert-manager/go.sum hack/tools/cert-manager/main.go
	@hack/tools/build.sh $(@F)

$(TOOLS)/%: hack/tools/go.mod hack/tools/go.sum
	@hack/tools/build.sh $(@F)

.PHONY: clean
clean: ## Remove what was built and the dev stack's files, except the tools, which take long
	rm -rf bin dist .dev cover.out
