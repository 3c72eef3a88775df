package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// annotationOptions are annotations of a manifest to be made.
type annotationOptions struct {
	annotations []string
}

func (o *annotationOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.annotations, "annotation", "a", nil, "annotation of the manifest: `key=value`; may be repeated")
}

func (o *annotationOptions) validate() error {
	_, err := o.annotationMap()
	return err
}

// annotationMap parses the values of --annotation.
func (o *annotationOptions) annotationMap() (map[string]string, error) {
	m := map[string]string{}
	for _, s := range o.annotations {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, fmt.Errorf("invalid --annotation %q: want key=value", s)
		}
		if _, twice := m[k]; twice {
			return nil, fmt.Errorf("--annotation %s is given twice", k)
		}
		m[k] = v
	}
	return m, nil
}
