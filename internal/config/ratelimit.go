package config

import (
	"fmt"
	"strconv"
	"strings"
)

// RateLimit is how many requests a minute a registry, and each identity in it,
// may make. 0 is no limit.
type RateLimit struct{ Registry, Identity int }

// maxRate is the largest rate, in requests a minute.
const maxRate = 1_000_000_000

// String is the limit as it is written in the configuration; "" for none.
func (l RateLimit) String() string {
	switch {
	case l == RateLimit{}:
		return ""
	case l.Identity == 0:
		return strconv.Itoa(l.Registry)
	}
	return strconv.Itoa(l.Registry) + "/" + strconv.Itoa(l.Identity)
}

func parseRateLimit(s string) (l RateLimit, err error) {
	if s == "" {
		return l, nil
	}
	registry, identity, found := strings.Cut(s, "/")
	if l.Registry, err = strconv.Atoi(registry); err == nil && found {
		l.Identity, err = strconv.Atoi(identity)
	}
	if err != nil || l.Registry < 0 || l.Identity < 0 || l.Registry > maxRate || l.Identity > maxRate {
		return RateLimit{}, fmt.Errorf("%q is not a limit such as 10000 or 10000/5000", s)
	}
	return l, nil
}
