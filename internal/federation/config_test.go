package federation

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const head = "issuers:\n- issuer: https://issuer.example\n  audience: a\n  rules:\n"
	for name, c := range map[string]struct{ text, wants string }{
		"empty":               {"", ""},
		"good":                {head + "  - {name: r, claims: {sub: x*}, roles: [{role: AcrPull}]}\n", ""},
		"unknown key":         {"issuer: x\n", "issuer"},
		"no TLS":              {strings.Replace(head, "https", "http", 1) + "  - {name: r, claims: {sub: x}, principal: ann}\n", "https://"},
		"loopback unasked":    {strings.Replace(head, "https://issuer.example", "http://127.0.0.1:1", 1) + "  - {name: r, claims: {sub: x}, principal: ann}\n", "https://"},
		"user in the address": {strings.Replace(head, "issuer.example", "u:p@issuer.example", 1) + "  - {name: r, claims: {sub: x}, principal: ann}\n", "no address"},
		"no audience":         {strings.Replace(head, "  audience: a\n", "", 1) + "  - {name: r, claims: {sub: x}, principal: ann}\n", "audience"},
		"no rules":            {strings.Replace(head, "  rules:\n", "", 1), "no rules"},
		"no name":             {head + "  - {claims: {sub: x}, principal: ann}\n", "name"},
		"a name twice":        {head + "  - {name: r, claims: {sub: x}, principal: ann}\n  - {name: r, claims: {sub: y}, principal: ann}\n", "given twice"},
		"no claims":           {head + "  - {name: r, principal: ann}\n", "claim"},
		"star in the middle":  {head + "  - {name: r, claims: {sub: 'a*b'}, principal: ann}\n", "neither"},
		"empty pattern":       {head + "  - {name: r, claims: {sub: ''}, principal: ann}\n", "neither"},
		"nobody":              {head + "  - {name: r, claims: {sub: x}}\n", "either"},
		"principal and roles": {head + "  - {name: r, claims: {sub: x}, principal: ann, roles: [{role: AcrPull}]}\n", "either"},
		"unknown role":        {head + "  - {name: r, claims: {sub: x}, roles: [{role: root}]}\n", "unknown role"},
		"bad repository":      {head + "  - {name: r, claims: {sub: x}, roles: [{role: AcrPull, repository: 'A'}]}\n", "invalid repository"},
	} {
		_, err := parse([]byte(c.text))
		if (err == nil) != (c.wants == "") || err != nil && !strings.Contains(err.Error(), c.wants) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseClaims(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":1,"a":2}`, `{}`, `[]`, `{"exp":1e400}`, `{"a":{"b":[]}}x`, "{"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := parseClaims(payload)
		if err != nil {
			return
		}
		for name := range c {
			c.texts(name)
			c.moment(name)
		}
		c.current(now)
	})
}

func FuzzPeek(f *testing.F) {
	f.Add("a.e30.c")
	f.Add("a.eyJpc3MiOiJ4In0.c")
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := peek(token); err == nil && strings.Count(token, ".") != 2 {
			t.Errorf("%q has not three parts", token)
		}
	})
}
