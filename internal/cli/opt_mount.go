package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop/ref"
)

// mountOptions name repositories that may hold blobs already.
type mountOptions struct {
	from []string
}

func (o *mountOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVar(&o.from, "mount-from", nil, "`REPOSITORY` of the same registry to take blobs from rather than send them; may be repeated")
}

func (o *mountOptions) validate() error { return nil }

// repositories returns the names to mount from, without the host of t.
func (o *mountOptions) repositories(t *target) ([]string, error) {
	if len(o.from) > 0 && t.kind != kindRegistry {
		return nil, usagef("--mount-from is for a registry, and %s is an OCI image layout", t.base)
	}
	names := make([]string, len(o.from))
	for i, name := range o.from {
		names[i] = strings.TrimPrefix(name, t.host()+"/")
		if err := ref.ValidateRepository(names[i]); err != nil {
			return nil, &usageError{err: fmt.Errorf("--mount-from: %w", err)}
		}
	}
	return names, nil
}
