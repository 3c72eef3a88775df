package output

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// YAMLPair writes a key and its value as one line of YAML, as ORAS shows
// annotations: quoted where they would not be read as the texts that they are.
func YAMLPair(key, value string) string { return yamlText(key) + ": " + yamlText(value) }

// Texts that YAML reads as something else when they are not quoted.
var (
	// readsAsData are null, booleans, numbers and times of YAML 1.2.
	readsAsData = regexp.MustCompile(`^(|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|\.nan|\.NaN|\.NAN` +
		`|[-+]?(\.inf|\.Inf|\.INF|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+` +
		`|[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9_]+([eE][-+]?[0-9]+)?)` +
		`|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ][0-9:.]+(Z|[-+][0-9:]+)?)?)$`)
	// readAsData are booleans and numbers of YAML 1.1, and the key of a merge.
	readAsData = regexp.MustCompile(`^(y|Y|yes|Yes|YES|on|On|ON|n|N|no|No|NO|off|Off|OFF|<<` +
		`|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)$`)
	// readsAsSyntax begin like, or hold, something that has a meaning.
	readsAsSyntax = regexp.MustCompile(`^[#,\[\]{}&*!|>'"%@` + "`" + `]|^[-?:]( |$)|^---|^\.\.\.|: |:$| #|^ | $`)
)

// yamlText writes a text as a scalar (YAML 1.2, chapter 7.3).
func yamlText(s string) string {
	switch {
	case readsAsData.MatchString(s), strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return strconv.Quote(s) // Go's escapes are YAML's
	case readAsData.MatchString(s), readsAsSyntax.MatchString(s):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return s
}
