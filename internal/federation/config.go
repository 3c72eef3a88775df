package federation

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/orlop/orlop/internal/authn"
	"github.com/orlop/orlop/internal/authz"
	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/meta"
)

// Config says whom the registry trusts.
type Config struct {
	Issuers []Issuer `yaml:"issuers"`
}

// Issuer is one whose tokens are taken if they are for Audience.
type Issuer struct {
	Issuer   string `yaml:"issuer"`   // URL, as the claim iss has it
	Audience string `yaml:"audience"` // what the claim aud must have
	// AllowLoopback lets the issuer be on this machine, without TLS too.
	AllowLoopback bool `yaml:"allow-loopback"`
	// Proxy is the URL of an HTTP proxy that the issuer is asked through, without
	// a user; "" is what HTTPS_PROXY and NO_PROXY in the environment say.
	Proxy string `yaml:"proxy"`
	Rules []Rule `yaml:"rules"` // the first that matches counts
}

// Rule says who those are whose tokens have these claims: a user or a service
// principal, or somebody without an account who has roles.
type Rule struct {
	Name string `yaml:"name"` // unique; tokens that were got by it end with it
	// Registry is the name of the one that the rule is for; the default one if
	// there is none.
	Registry string `yaml:"registry"`
	// Claims must all match. A pattern is the whole value, or its beginning and
	// "*". Of a claim that is a list one element must match.
	Claims    map[string]string `yaml:"claims"`
	Principal string            `yaml:"principal"` // sign-in name
	Roles     []Role            `yaml:"roles"`
}

// Role is a role at the registry, or at a repository or prefix.
type Role struct {
	Role       string `yaml:"role"`
	Repository string `yaml:"repository"`
}

// Load reads and checks a configuration. The error tells everything that is
// wrong with it.
func Load(name string) (*Config, error) {
	raw, err := config.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func parse(raw []byte) (*Config, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true)
	var c Config
	if err := dec.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &c, c.validate()
}

func (c *Config) validate() error {
	var errs []error
	issuers, rules := map[string]bool{}, map[string]bool{}
	for _, i := range c.Issuers {
		if issuers[i.Issuer] {
			errs = append(errs, fmt.Errorf("issuer %s: is given twice", i.Issuer))
		}
		issuers[i.Issuer] = true
		errs = append(errs, i.validate())
		for _, r := range i.Rules {
			if rules[r.Name] {
				errs = append(errs, fmt.Errorf("rule %s: the name is given twice", r.Name))
			}
			rules[r.Name] = true
			if err := r.validate(); err != nil {
				errs = append(errs, fmt.Errorf("rule %q: %w", r.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (i *Issuer) validate() error {
	if err := checkURL(i.Issuer, i.AllowLoopback); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if err := checkProxy(i.Proxy); err != nil {
		return fmt.Errorf("issuer %s: %w", i.Issuer, err)
	}
	switch {
	case i.Audience == "":
		return fmt.Errorf("issuer %s: an audience is needed, or tokens for others would be taken", i.Issuer)
	case len(i.Rules) == 0:
		return fmt.Errorf("issuer %s: has no rules", i.Issuer)
	}
	return nil
}

func (r *Rule) validate() error {
	switch {
	case r.Name == "" || len(r.Name) > 100:
		return errors.New("a name of 1 to 100 bytes is needed")
	case len(r.Claims) == 0:
		return errors.New("at least one claim is needed, or everybody would match")
	case (r.Principal == "") == (len(r.Roles) == 0):
		return errors.New("either a principal or roles are needed")
	}
	for name, pattern := range r.Claims {
		if strings.Contains(strings.TrimSuffix(pattern, "*"), "*") || pattern == "" {
			return fmt.Errorf("claim %s: %q is neither a value nor the beginning of one and *", name, pattern)
		}
	}
	for _, role := range r.rule().Roles {
		if err := authz.CheckAssignment(role); err != nil {
			return err
		}
	}
	return nil
}

// rule is the rule as authn knows it.
func (r *Rule) rule() authn.Rule {
	out := authn.Rule{Registry: r.Registry, Principal: r.Principal}
	for _, role := range r.Roles {
		out.Roles = append(out.Roles, meta.RoleAssignment{Role: role.Role, Prefix: role.Repository})
	}
	return out
}

// matches tells whether claims are as the rule wants them.
func (r *Rule) matches(c claims) bool {
	for name, pattern := range r.Claims {
		if !matchAny(pattern, c.texts(name)) {
			return false
		}
	}
	return true
}

func matchAny(pattern string, values []string) bool {
	prefix, isPrefix := strings.CutSuffix(pattern, "*")
	for _, v := range values {
		if v == pattern && !isPrefix || isPrefix && strings.HasPrefix(v, prefix) {
			return true
		}
	}
	return false
}
