package distapi

import (
	"math"
	"strings"

	"github.com/orlop/orlop"
)

// byteRange is a part of a blob: length bytes from start. Length is never 0.
type byteRange struct {
	start, length int64
}

// maxRanges is how many ranges one request may ask for. Clients that resume or
// fetch in parallel ask for one.
const maxRanges = 16

// parseRange parses a Range header (RFC 9110, section 14.2) for content of size
// bytes. It returns nil if the whole content is to be sent: there is no header,
// or it is not in bytes. ErrRangeInvalid if nothing of it can be satisfied, it
// is malformed, or it asks for more ranges than maxRanges, or for more bytes
// than the content has.
func parseRange(header string, size int64) ([]byteRange, error) {
	list, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil, nil
	}
	var ranges []byteRange
	var total int64
	for spec := range strings.SplitSeq(list, ",") {
		r, ok := parseRangeSpec(strings.Trim(spec, " \t"), size)
		if !ok {
			return nil, orlop.ErrRangeInvalid
		}
		if r.length == 0 {
			continue
		}
		ranges = append(ranges, r)
		total += r.length
		if len(ranges) > maxRanges || total > size {
			return nil, orlop.ErrRangeInvalid
		}
	}
	if len(ranges) == 0 {
		return nil, orlop.ErrRangeInvalid
	}
	return ranges, nil
}

// parseRangeSpec parses one of "first-last", "first-" and "-suffix". Length 0
// means that the range is well formed and cannot be satisfied; ok is false for
// a malformed one.
func parseRangeSpec(spec string, size int64) (r byteRange, ok bool) {
	from, to, ok := strings.Cut(spec, "-")
	if !ok {
		return r, false
	}
	if from == "" {
		n, ok := parseDigits(to)
		n = min(n, size)
		return byteRange{start: size - n, length: n}, ok
	}
	first, ok := parseDigits(from)
	if !ok {
		return r, false
	}
	last := int64(math.MaxInt64)
	if to != "" {
		if last, ok = parseDigits(to); !ok || last < first {
			return r, false
		}
	}
	if first >= size {
		return r, true
	}
	return byteRange{start: first, length: min(last, size-1) - first + 1}, true
}

// parseContentRange parses the Content-Range header of an upload request:
// "first-last" as the distribution specification has it, or the form of RFC
// 9110, "bytes first-last/total". It returns the first offset and the length.
func parseContentRange(header string) (start, length int64, err error) {
	s := strings.TrimPrefix(header, "bytes ")
	s, _, _ = strings.Cut(s, "/")
	from, to, ok := strings.Cut(s, "-")
	first, okFirst := parseDigits(from)
	last, okLast := parseDigits(to)
	if !ok || !okFirst || !okLast || last < first || last == math.MaxInt64 {
		return 0, 0, errContentRange
	}
	return first, last - first + 1, nil
}

var errContentRange = &orlop.Error{
	Code: orlop.CodeRangeInvalid, Message: "invalid Content-Range: want first-last", Status: 400,
}

// parseDigits parses a decimal number of digits only. What is larger than an
// int64 becomes the largest.
func parseDigits(s string) (n int64, ok bool) {
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 {
			return 0, false
		}
		if n > (math.MaxInt64-int64(c))/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(c)
	}
	return n, s != ""
}
