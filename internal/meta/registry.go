package meta

import "time"

// Registry is one of the registries that a server hosts.
type Registry struct {
	ID      int64 // DefaultRegistry, or made at its creation and never used again
	Name    string
	Created time.Time
}
