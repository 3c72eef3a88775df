package output

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"text/template"
)

// funcs are the functions of templates, beside those that text/template has
// built in. They are listed in docs and must only be added to.
//
//	json V          V as compact JSON
//	prettyJson V    V as indented JSON
//	join SEP LIST   the items of LIST with SEP between them
//	split SEP TEXT  the parts of TEXT between SEPs
//	upper TEXT, lower TEXT, trim TEXT
//	trimPrefix PREFIX TEXT, trimSuffix SUFFIX TEXT
//	contains PART TEXT, hasPrefix PREFIX TEXT, hasSuffix SUFFIX TEXT
//	replace OLD NEW TEXT
//	base PATH       the last element of PATH
//	default D V     V, or D if V is absent or empty
//	first LIST, last LIST
var funcs = template.FuncMap{
	"json":       compactJSON,
	"toJson":     compactJSON,
	"prettyJson": prettyJSON,
	"join":       join,
	"split":      func(sep, s string) []string { return strings.Split(s, sep) },
	"upper":      strings.ToUpper,
	"lower":      strings.ToLower,
	"trim":       strings.TrimSpace,
	"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
	"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	"contains":   func(part, s string) bool { return strings.Contains(s, part) },
	"hasPrefix":  func(prefix, s string) bool { return strings.HasPrefix(s, prefix) },
	"hasSuffix":  func(suffix, s string) bool { return strings.HasSuffix(s, suffix) },
	"replace":    func(from, to, s string) string { return strings.ReplaceAll(s, from, to) },
	"base":       path.Base,
	"default":    defaultTo,
	"first":      func(list []any) any { return at(list, 0) },
	"last":       func(list []any) any { return at(list, len(list)-1) },
}

func compactJSON(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}

func prettyJSON(v any) (string, error) {
	raw, err := json.MarshalIndent(v, "", "  ")
	return string(raw), err
}

func join(sep string, list []any) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = fmt.Sprint(v)
	}
	return strings.Join(parts, sep)
}

func defaultTo(d, v any) any {
	if truth, ok := template.IsTrue(v); !ok || !truth {
		return d
	}
	return v
}

func at(list []any, i int) any {
	if i < 0 || i >= len(list) {
		return nil
	}
	return list[i]
}
