package armapi

import "time"

// moment is a time as Resource Manager writes it: RFC 3339, UTC, with seven
// decimals.
type moment time.Time

// MarshalText formats the time.
func (m moment) MarshalText() ([]byte, error) {
	return time.Time(m).UTC().AppendFormat(nil, "2006-01-02T15:04:05.0000000Z"), nil
}

// momentOf is nil for the zero time.
func momentOf(t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	m := moment(t)
	return &m
}
