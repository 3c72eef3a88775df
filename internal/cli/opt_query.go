package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/jmespath/go-jmespath"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/cli/output"
)

// queryOptions are the output flags of az.
type queryOptions struct {
	outputFormat, query string
	parsed              *jmespath.JMESPath // nil without a query
}

func (o *queryOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.outputFormat, "output", "o", "json", "format of the output: json, table, tsv or none")
	fs.StringVar(&o.query, "query", "", "JMESPath of what to show")
}

func (o *queryOptions) values() (flag string, values []string) {
	return "output", []string{"json", "table", "tsv", "none"}
}

func (o *queryOptions) validate() (err error) {
	switch o.outputFormat {
	case "json", "jsonc", "table", "tsv", "none":
	default:
		return fmt.Errorf("invalid --output %q: supported are json, table, tsv and none", o.outputFormat)
	}
	if o.query == "" {
		return nil
	}
	if o.parsed, err = jmespath.Compile(o.query); err != nil {
		return fmt.Errorf("invalid --query: %w", err)
	}
	return nil
}

// write writes v, which may be anything that has a JSON form, as the flags
// say. Keys are in the order of the alphabet.
func (o *queryOptions) write(w io.Writer, v any) error {
	if o.outputFormat == "none" {
		return nil
	}
	data, err := toJSON(v, o.parsed == nil)
	if err != nil {
		return err
	}
	if o.parsed != nil {
		if data, err = o.parsed.Search(data); err != nil {
			return &usageError{err: fmt.Errorf("--query: %w", err)}
		}
		if data == nil && o.outputFormat != "json" {
			return nil
		}
	}
	switch o.outputFormat {
	case "table":
		return output.WriteTable(w, data)
	case "tsv":
		return output.WriteTSV(w, data)
	}
	return output.WriteJSON(w, data)
}

// toJSON turns v into maps, slices and scalars. Numbers keep their digits if
// exact is set; a query needs them as floating point.
func toJSON(v any, exact bool) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if exact {
		dec.UseNumber()
	}
	var data any
	err = dec.Decode(&data)
	return data, err
}
