package remote

import "strings"

// maxWarnings bounds how many different warnings are passed on.
const maxWarnings = 100

// warn passes on warnings of the registry that are new.
func (d *dresser) warn(values []string) {
	for _, value := range values {
		if text, ok := parseWarning(value); ok && d.isNew(text) {
			d.o.Warn(text)
		}
	}
}

func (d *dresser) isNew(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.warned[text] || len(d.warned) >= maxWarnings {
		return false
	}
	if d.warned == nil {
		d.warned = map[string]bool{}
	}
	d.warned[text] = true
	return true
}

// parseWarning returns the text of a warning of the form that the distribution
// specification allows, at most 4096 bytes: 299 - "text".
func parseWarning(value string) (string, bool) {
	quoted, ok := strings.CutPrefix(strings.TrimSpace(value), `299 - "`)
	if !ok || len(quoted) > 4096 {
		return "", false
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '"':
			return b.String(), i == len(quoted)-1 && b.Len() > 0
		case c == '\\' && i+1 < len(quoted):
			i++
			b.WriteByte(quoted[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
