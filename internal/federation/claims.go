package federation

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// skew is how far the clocks of an issuer and of this server may differ.
const skew = time.Minute

// claims are what a token says, as JSON.
type claims map[string]json.RawMessage

// peek reads the issuer that an unverified token names, to know whose keys to
// verify it with. Only the compact form of a token is taken.
func peek(token string) (issuer string, err error) {
	if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", errors.New("it is no token")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("it is no token of three parts")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", errors.New("its payload is not base64")
	}
	c, err := parseClaims(payload)
	if err != nil {
		return "", err
	}
	return c.text("iss"), nil
}

// parseClaims reads a JSON object. One that has a name twice is refused: what
// reads it after us may take the other value.
func parseClaims(payload []byte) (claims, error) {
	dec := json.NewDecoder(bytes.NewReader(payload))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("its payload is no JSON object")
	}
	c := claims{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("its payload is malformed: %w", err)
		}
		key, _ := name.(string) // names are strings, or Token would have failed
		if _, twice := c[key]; twice {
			return nil, fmt.Errorf("it has the claim %q twice", key)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("its payload is malformed: %w", err)
		}
		c[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("its payload is malformed: %w", err)
	}
	return c, nil
}

// text is a claim that is a string; "" for any other.
func (c claims) text(name string) string {
	var s string
	if json.Unmarshal(c[name], &s) != nil {
		return ""
	}
	return s
}

// texts are the values of a claim that rules compare: a string, true, false, or
// the strings of a list.
func (c claims) texts(name string) []string {
	raw := c[name]
	var list []string
	var flag bool
	switch {
	case raw == nil:
		return nil
	case json.Unmarshal(raw, &list) == nil && list != nil:
		return list
	case json.Unmarshal(raw, &flag) == nil && (string(raw) == "true" || string(raw) == "false"):
		return []string{string(raw)}
	case c.text(name) != "":
		return []string{c.text(name)}
	}
	return nil
}

// moment is a claim that is a time; ok is false if it is there and is none.
func (c claims) moment(name string) (t time.Time, ok bool) {
	raw, there := c[name]
	if !there {
		return time.Time{}, true
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || string(raw) == "null" || seconds < 0 || seconds > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// current tells why a token is not good at a time; nil if it is.
func (c claims) current(now time.Time) error {
	expires, ok1 := c.moment("exp")
	notBefore, ok2 := c.moment("nbf")
	issued, ok3 := c.moment("iat")
	switch {
	case !ok1 || !ok2 || !ok3:
		return errors.New("its times are malformed")
	case expires.IsZero():
		return errors.New("it has no expiry")
	case !now.Before(expires.Add(skew)):
		return errors.New("it has expired")
	case now.Add(skew).Before(notBefore) || now.Add(skew).Before(issued):
		return errors.New("it is not good yet")
	}
	return nil
}
