package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/orlop/orlop/internal/admin"
)

// manage calls the registry's management and prints the result, if there is one.
func (o *managementOptions) manage(env *Env, call func(*admin.Client) (any, error)) error {
	client, host, err := o.client(env)
	if err != nil {
		return err
	}
	result, err := call(client)
	if err != nil {
		return about(host, err)
	}
	if result == nil {
		return nil
	}
	return o.write(env, result)
}

// expiryOptions say when a secret ends.
type expiryOptions struct {
	at   string
	days int

	parsed *time.Time // nil: never
}

func (o *expiryOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.at, "expiration", "", "when the password ends, UTC: 2026-12-31T23:59:59Z (default never)")
	fs.IntVar(&o.days, "expiration-in-days", 0, "in how many days the password ends (default never)")
}

func (o *expiryOptions) validate() error {
	switch {
	case o.at != "" && o.days != 0:
		return usagef("--expiration and --expiration-in-days exclude each other")
	case o.days < 0:
		return usagef("--expiration-in-days must be more than 0")
	case o.days > 0:
		o.parsed = new(time.Now().UTC().AddDate(0, 0, o.days).Truncate(time.Second))
	case o.at != "":
		t, err := time.Parse(time.RFC3339, o.at)
		if err != nil {
			return withHint(usagef("--expiration %q is no time", o.at), "write it as 2026-12-31T23:59:59Z")
		}
		o.parsed = &t
	}
	return nil
}

// yesOption lets a deletion go without a question.
type yesOption struct{ yes bool }

func (o *yesOption) addFlags(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.yes, "yes", "y", false, "do not ask for confirmation")
}

func (o *yesOption) validate() error { return nil }

// confirm asks, unless --yes was given.
func (o *yesOption) confirm(env *Env, format string, args ...any) error {
	if o.yes {
		return nil
	}
	return confirm(env, fmt.Sprintf(format, args...))
}

// choice is a flag that is true, false, or was not given; az wants the value to
// stand behind it.
type choice struct{ value *bool }

// String implements pflag.Value.
func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return strconv.FormatBool(*c.value)
}

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	switch strings.ToLower(s) {
	case "true", "enabled":
		c.value = new(true)
	case "false", "disabled":
		c.value = new(false)
	default:
		return fmt.Errorf("%q is neither true nor false", s)
	}
	return nil
}

// Type implements pflag.Value.
func (c *choice) Type() string { return "true|false" }
