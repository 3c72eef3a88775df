package auth

// Challenge is one challenge of a WWW-Authenticate header (RFC 9110, section
// 11.6.1).
type Challenge struct {
	Scheme string            // lower case, such as "bearer"
	Params map[string]string // names in lower case, values unquoted; never nil
}

// ParseChallenges parses the values of all WWW-Authenticate headers of an
// answer. What does not follow the grammar ends the value that it is in; the
// challenges before it are kept.
func ParseChallenges(header []string) []Challenge { return nil }
