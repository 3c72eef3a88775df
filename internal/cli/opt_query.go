package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jmespath/go-jmespath"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/cli/output"
)

// queryOptions are the output flags of az.
type queryOptions struct {
	columns tableColumns // of a table without a query; nil: every scalar. Set before use

	outputFormat, query string
	parsed              *jmespath.JMESPath // nil without a query
}

// tableColumns make the titles and cells of a table out of a result.
type tableColumns func(v any) (titles []string, rows [][]string)

var queryFormats = []string{"json", "jsonc", "table", "tsv", "yaml", "yamlc", "none"}

func (o *queryOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.outputFormat, "output", "o", "json", "format of the output: "+strings.Join(queryFormats, ", "))
	fs.StringVar(&o.query, "query", "", "JMESPath of what to show")
}

func (o *queryOptions) values() (flag string, values []string) { return "output", queryFormats }

func (o *queryOptions) validate() (err error) {
	o.outputFormat = strings.ToLower(o.outputFormat)
	if !slices.Contains(queryFormats, o.outputFormat) {
		return fmt.Errorf("invalid --output %q: supported are %s", o.outputFormat, strings.Join(queryFormats, ", "))
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
// say. Of nothing (null) nothing is written.
func (o *queryOptions) write(env *Env, v any) error {
	if o.outputFormat == "none" {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return o.writeJSON(env, raw)
}

// writeJSON is write for what is JSON already.
func (o *queryOptions) writeJSON(env *Env, raw []byte) error {
	if o.outputFormat == "none" {
		return nil
	}
	data, err := decodeJSON(raw, o.parsed == nil)
	if err != nil {
		return err
	}
	order := output.KeyOrder{}
	if o.parsed != nil {
		if data, err = o.parsed.Search(data); err != nil {
			return &usageError{err: fmt.Errorf("--query: %w", err)}
		}
		order = keyOrder(o.query, raw, o.outputFormat == "table")
	}
	if data == nil {
		return nil
	}
	switch o.outputFormat {
	case "table":
		if o.parsed == nil && o.columns != nil {
			titles, rows := o.columns(data)
			return output.WriteGrid(env.Stdout, titles, rows)
		}
		return output.WriteTable(env.Stdout, data, order)
	case "tsv":
		return output.WriteTSV(env.Stdout, data, order)
	case "yaml", "yamlc":
		return output.WriteYAML(env.Stdout, data)
	}
	return output.WriteJSON(env.Stdout, data)
}

// decodeJSON makes maps, slices and scalars of JSON. Numbers keep their digits
// if exact is set; a query needs them as floating point.
func decodeJSON(raw []byte, exact bool) (data any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if exact {
		dec.UseNumber()
	}
	err = dec.Decode(&data)
	return data, err
}
