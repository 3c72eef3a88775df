package auth

import "strings"

// Challenge is one challenge of a WWW-Authenticate header (RFC 9110, section
// 11.6.1).
type Challenge struct {
	Scheme string            // lower case, such as "bearer"
	Params map[string]string // names in lower case, values unquoted; never nil
}

// ParseChallenges parses the values of all WWW-Authenticate headers of an
// answer. What does not follow the grammar ends the value that it is in; what
// came before it is kept. Of a parameter given twice the first counts.
func ParseChallenges(header []string) []Challenge {
	var all []Challenge
	for _, value := range header {
		all = append(all, parseValue(value)...)
	}
	return all
}

func parseValue(value string) []Challenge {
	var (
		s   = scanner{rest: value}
		all []Challenge
	)
	for s.skipCommas(); s.rest != ""; s.skipCommas() {
		scheme := s.token()
		if scheme == "" {
			break
		}
		c := Challenge{Scheme: strings.ToLower(scheme), Params: map[string]string{}}
		ok := s.params(c.Params)
		all = append(all, c)
		if !ok {
			break
		}
	}
	return all
}

// scanner reads a header value from its front.
type scanner struct{ rest string }

// params reads what follows a scheme: nothing, one token68, or parameters with
// commas between them. It reports whether the grammar was kept.
func (s *scanner) params(into map[string]string) bool {
	if s.rest == "" || s.rest[0] == ',' {
		return true
	}
	if s.skipSpace() == 0 {
		return false
	}
	if s.token68() {
		return true
	}
	for {
		s.skipCommas()
		before := s.rest
		name := s.token()
		s.skipSpace()
		if name == "" || !s.skip('=') {
			s.rest = before // the next scheme, or the end
			return true
		}
		s.skipSpace()
		value, ok := s.value()
		if !ok {
			return false
		}
		name = strings.ToLower(name)
		if _, twice := into[name]; !twice {
			into[name] = value
		}
		s.skipSpace()
		if s.rest != "" && s.rest[0] != ',' {
			return false
		}
	}
}

// token68 skips a token68, which no scheme of a registry uses, if there is one.
func (s *scanner) token68() bool {
	n := 0
	for n < len(s.rest) && (isAlnum(s.rest[n]) || strings.IndexByte("-._~+/", s.rest[n]) >= 0) {
		n++
	}
	word := n
	for n < len(s.rest) && s.rest[n] == '=' {
		n++
	}
	after := strings.TrimLeft(s.rest[n:], " \t")
	if word == 0 || (after != "" && after[0] != ',') {
		return false
	}
	s.rest = after
	return true
}

// value reads a token or a quoted string.
func (s *scanner) value() (string, bool) {
	if !s.skip('"') {
		t := s.token()
		return t, t != ""
	}
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i < len(s.rest) {
				b.WriteByte(s.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && (isAlnum(s.rest[n]) || strings.IndexByte("!#$%&'*+-.^_`|~", s.rest[n]) >= 0) {
		n++
	}
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

func (s *scanner) skip(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) skipSpace() (n int) {
	rest := strings.TrimLeft(s.rest, " \t")
	n = len(s.rest) - len(rest)
	s.rest = rest
	return n
}

func (s *scanner) skipCommas() { s.rest = strings.TrimLeft(s.rest, " \t,") }

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
