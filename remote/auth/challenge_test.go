package auth

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseChallenges(t *testing.T) {
	bearer := func(params map[string]string) Challenge { return Challenge{"bearer", params} }
	tests := map[string]struct {
		in   []string
		want []Challenge
	}{
		"none":      {nil, nil},
		"empty":     {[]string{"", " ,\t,"}, nil},
		"no params": {[]string{"Basic"}, []Challenge{{"basic", map[string]string{}}}},
		"registry": {
			[]string{`Bearer realm="https://a.example/token",service="a.example",scope="repository:x/y:pull,push"`},
			[]Challenge{bearer(map[string]string{"realm": "https://a.example/token", "service": "a.example", "scope": "repository:x/y:pull,push"})},
		},
		"spaces, tokens, case, empty items": {
			[]string{`BEARER  Realm = "r" , , SERVICE=s ,`},
			[]Challenge{bearer(map[string]string{"realm": "r", "service": "s"})},
		},
		"two in one value": {
			[]string{`Basic realm="a, Bearer b", Bearer realm="r",service="s"`},
			[]Challenge{{"basic", map[string]string{"realm": "a, Bearer b"}}, bearer(map[string]string{"realm": "r", "service": "s"})},
		},
		"two values":     {[]string{"Basic realm=a", "Bearer realm=b"}, []Challenge{{"basic", map[string]string{"realm": "a"}}, bearer(map[string]string{"realm": "b"})}},
		"token68":        {[]string{"Negotiate YWJj/+==, Bearer realm=b"}, []Challenge{{"negotiate", map[string]string{}}, bearer(map[string]string{"realm": "b"})}},
		"escapes":        {[]string{`Bearer realm="a\"b\\c"`}, []Challenge{bearer(map[string]string{"realm": `a"b\c`})}},
		"first counts":   {[]string{`Bearer realm=a,realm=b`}, []Challenge{bearer(map[string]string{"realm": "a"})}},
		"unclosed":       {[]string{`Bearer service=s,realm="a`}, []Challenge{bearer(map[string]string{"service": "s"})}},
		"lone backslash": {[]string{`Bearer realm="a\`}, []Challenge{bearer(map[string]string{})}},
		"no comma":       {[]string{`Bearer realm=a service=b`}, []Challenge{bearer(map[string]string{"realm": "a"})}},
		"not a scheme":   {[]string{`"x", Bearer realm=a`}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ParseChallenges(tt.in); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzParseChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://a/token",service="a",scope="repository:x:pull"`)
	f.Add(`Basic realm="a", Negotiate YWJj==, Bearer realm=b`)
	f.Add(`Bearer realm="a\`)
	f.Add("Bearer =,=\"")
	f.Fuzz(func(t *testing.T, value string) {
		for _, c := range ParseChallenges([]string{value}) {
			if c.Scheme == "" || c.Scheme != strings.ToLower(c.Scheme) || c.Params == nil {
				t.Errorf("bad challenge %#v of %q", c, value)
			}
			for name, v := range c.Params {
				if name == "" || len(name)+len(v) > len(value) {
					t.Errorf("parameter %q=%q is not in %q", name, v, value)
				}
			}
		}
	})
}
