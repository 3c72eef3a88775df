package output

import (
	"encoding/json"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// functions returns the functions of templates: those of sprig, which ORAS has
// (masterminds.github.io/sprig), and two of ours:
//
//	json V        V as compact JSON
//	prettyJson V  V as indented JSON
//
// They are listed in docs and must only be added to. A name of sprig means what
// it means there.
func functions() template.FuncMap {
	m := sprig.TxtFuncMap()
	m["json"] = compactJSON
	m["prettyJson"] = prettyJSON
	return m
}

func compactJSON(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}

func prettyJSON(v any) (string, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return string(raw), err
}
