package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/jmespath/go-jmespath"

	"github.com/orlop/orlop/internal/cli/output"
)

// keyOrder finds the order of keys in the result of a query: those of a hash,
// {Tag:name,Digest:digest}, stand as they were typed. In a table, objects that
// come out unchanged have the order of the document.
func keyOrder(query string, document []byte, table bool) output.KeyOrder {
	order := output.KeyOrder{}
	if table {
		_ = documentOrder(json.NewDecoder(bytes.NewReader(document)), order) // it has been decoded before
	}
	if ast, err := jmespath.NewParser().Parse(query); err == nil {
		hashOrder(ast.PrettyPrint(0), order)
	}
	return order
}

// documentOrder reads one value and tells the order of the objects in it.
func documentOrder(dec *json.Decoder, order output.KeyOrder) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') && t != json.Delim('[') {
		return nil
	}
	var keys []string
	for dec.More() {
		if t == json.Delim('{') {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			keys = append(keys, fmt.Sprint(key))
		}
		if err := documentOrder(dec, order); err != nil {
			return err
		}
	}
	if t == json.Delim('{') {
		order.Add(keys)
	}
	_, err = dec.Token() // the end
	return err
}

// The library tells the syntax tree of a query only as text, a line for each
// node and value, indented by depth.
var (
	hashLine = regexp.MustCompile(`^( *)ASTMultiSelectHash \{$`)
	pairLine = regexp.MustCompile(`^( *)ASTKeyValPair \{$`)
)

// hashOrder finds the hashes in the text of a syntax tree.
func hashOrder(tree string, order output.KeyOrder) {
	lines := strings.Split(tree, "\n")
	for i, line := range lines {
		hash := hashLine.FindStringSubmatch(line)
		if hash == nil {
			continue
		}
		order.Add(pairKeys(lines[i+1:], len(hash[1])+4))
	}
}

// pairKeys returns the keys of the pairs at an indent, up to where the hash
// around them ends.
func pairKeys(lines []string, indent int) (keys []string) {
	for i, line := range lines {
		if line == strings.Repeat(" ", indent-4)+"}" {
			break
		}
		pair := pairLine.FindStringSubmatch(line)
		if pair == nil || len(pair[1]) != indent || i+1 == len(lines) {
			continue
		}
		_, quoted, _ := strings.Cut(lines[i+1], "value: ")
		if key, err := strconv.Unquote(quoted); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}
