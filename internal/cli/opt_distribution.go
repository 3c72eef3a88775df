package cli

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop/remote"
)

// distributionOptions say how a registry keeps referrers: by the API of
// distribution-spec 1.1, or in the fallback tag.
type distributionOptions struct {
	remote *remoteOptions // of the registry that they are about; set before addFlags
	spec   string
}

// The values of --distribution-spec.
const (
	referrersAPI = "v1.1-referrers-api"
	referrersTag = "v1.1-referrers-tag"
)

func (o *distributionOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.spec, o.remote.name("distribution-spec"), "",
		"how the registry keeps referrers: "+referrersAPI+" or "+referrersTag+" (default: find out)")
}

func (o *distributionOptions) values() (flag string, values []string) {
	return o.remote.name("distribution-spec"), []string{referrersAPI, referrersTag}
}

func (o *distributionOptions) validate() error {
	switch o.spec {
	case "":
		o.remote.referrersTag = remote.TagAuto
	case referrersAPI:
		o.remote.referrersTag = remote.TagNever
	case referrersTag:
		o.remote.referrersTag = remote.TagAlways
	default:
		return fmt.Errorf("invalid --%s %q: supported are %s and %s", o.remote.name("distribution-spec"), o.spec, referrersAPI, referrersTag)
	}
	return nil
}
