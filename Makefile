# make demo   builds both programs and shows the tutorial
# make test   builds everything and runs the tests
# make run    builds and starts the registry, on 127.0.0.1:5000
# make docs   writes what is made of the commands: docs/cli, and manual pages and completion scripts in bin/
GO      ?= go
VERSION ?= dev
LDFLAGS := -s -w -X github.com/orlop/orlop/internal/cli.version=$(VERSION) -X github.com/orlop/orlop/internal/daemon.version=$(VERSION)

.PHONY: build demo test run docs lint bench conformance clean

build:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

demo: build
	./demo/tutorial.sh

test: build
	$(GO) vet ./...
	$(GO) test -timeout 10m ./...

run: build
	./bin/orlopd

docs:
	rm -f docs/cli/orlop*.md
	$(GO) run ./internal/clidoc markdown docs/cli
	$(GO) run ./internal/clidoc man bin/man
	$(GO) run ./internal/clidoc completion bin/completion
	$(GO) test ./internal/cli -run TestSurfacePage -update

lint:
	test -z "$$(gofmt -l .)"
	$(GO) vet ./...
	staticcheck ./...
	$(GO) mod tidy -diff

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

conformance: build
	./test/conformance.sh

clean:
	rm -rf bin
