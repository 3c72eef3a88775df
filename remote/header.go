package remote

import (
	"slices"
	"strconv"
	"strings"
)

// parseContentRange reads the Content-Range of a 206 answer of one part with
// known total (RFC 9110, section 14.4): "bytes 0-9/100".
func parseContentRange(value string) (first, last, total int64, ok bool) {
	span, isBytes := strings.CutPrefix(value, "bytes ")
	span, size, hasSize := strings.Cut(strings.TrimSpace(span), "/")
	first, last, isSpan := parseSpan(span)
	total, err := parseOffset(size)
	if !isBytes || !hasSize || !isSpan || err != nil || last >= total {
		return 0, 0, 0, false
	}
	return first, last, total, true
}

// parseUploadRange reads the Range of an upload's answer, "0-99", some
// registries say "bytes=0-99", and returns how many bytes have arrived. The
// protocol cannot say 0: "0-0" is 0 or 1, which unsure tells.
func parseUploadRange(value string) (n int64, unsure, ok bool) {
	value = strings.TrimPrefix(value, "bytes=")
	first, last, ok := parseSpan(value)
	if !ok || first != 0 {
		return 0, false, value == "0--1" // an empty upload, as a plain subtraction gives it
	}
	if last == 0 {
		return 0, true, true
	}
	return last + 1, false, true
}

// parseSpan reads "first-last", first <= last.
func parseSpan(s string) (first, last int64, ok bool) {
	a, b, dash := strings.Cut(s, "-")
	first, err1 := parseOffset(a)
	last, err2 := parseOffset(b)
	if !dash || err1 != nil || err2 != nil || first > last {
		return 0, 0, false
	}
	return first, last, true
}

// parseOffset reads a count of bytes without a sign, at most 2^62.
func parseOffset(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 62)
	return int64(n), err //nolint:gosec // 62 bits fit
}

// parseLink returns the target of the first link with relation "next" in the
// values of Link headers (RFC 8288, section 3): </v2/_catalog?n=1>; rel="next".
func parseLink(values []string) (target string, ok bool) {
	for _, value := range values {
		for rest := value; ; {
			_, after, found := strings.Cut(rest, "<")
			if !found {
				break
			}
			uri, after, found := strings.Cut(after, ">")
			if !found {
				break
			}
			var params string
			params, rest = cutOutside(after, ',')
			if isNext(params) {
				return uri, true
			}
		}
	}
	return "", false
}

// cutOutside cuts s at the first separator that is not in quotes.
func cutOutside(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// isNext tells whether the parameters of a link have the relation "next". Of
// several rel the first counts.
func isNext(params string) bool {
	for params != "" {
		var param string
		param, params = cutOutside(params, ';')
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") {
			relations := strings.Fields(strings.Trim(strings.TrimSpace(value), `"`))
			return slices.ContainsFunc(relations, func(rel string) bool { return strings.EqualFold(rel, "next") })
		}
	}
	return false
}
