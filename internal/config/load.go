package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	envPrefix = "ORLOPD_"
	// envFile names the configuration file, as the flag --config does.
	envFile = envPrefix + "CONFIG"
	// maxFile is the largest configuration file, in bytes.
	maxFile = 1 << 20
)

// Sources is where a configuration comes from. What comes first wins: flags,
// environment, file, defaults.
type Sources struct {
	Flags map[string][]string // flags that were given, by name without dashes
	Env   []string            // as os.Environ gives it; only ORLOPD_* is looked at
	File  string              // YAML file; "" means ORLOPD_CONFIG, and no file if that is not set
}

// Effective is a configuration with the origin of each value.
type Effective struct {
	Config  Config
	origins map[string]string // by name of setting; absent means default
}

// Load reads and validates the configuration. The error tells everything that
// is wrong with it, unknown names included, and what came together is returned
// with the error.
func Load(src Sources) (*Effective, error) {
	e := &Effective{Config: Default(), origins: map[string]string{}}
	env := prefixed(src.Env)
	if src.File == "" {
		src.File = env[envFile]
	}
	errs := []error{e.applyFile(src.File), e.applyEnv(env), e.applyFlags(src.Flags), e.Config.readAdminPassword()}
	if err := errors.Join(errs...); err != nil {
		return e, err
	}
	return e, e.Config.Validate()
}

func (e *Effective) applyFile(name string) error {
	if name == "" {
		return nil
	}
	values, err := readFile(name)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	var errs []error
	for _, v := range values {
		origin := fmt.Sprintf("%s:%d", name, v.line)
		if err := e.apply(v.key, v.texts, origin, v.err); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", origin, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Effective) applyEnv(env map[string]string) error {
	var errs []error
	for _, s := range Settings() {
		v, ok := env[s.Env()]
		if !ok {
			continue
		}
		delete(env, s.Env())
		texts := []string{v}
		if s.List {
			texts = splitList(v)
		}
		errs = append(errs, e.set(&s, texts, s.Env()))
	}
	delete(env, envFile)
	for name := range env {
		errs = append(errs, fmt.Errorf("%s: no setting has this name", name))
	}
	return errors.Join(errs...)
}

func (e *Effective) applyFlags(flags map[string][]string) error {
	var errs []error
	for name, texts := range flags {
		errs = append(errs, e.apply(name, texts, "--"+name, nil))
	}
	return errors.Join(errs...)
}

// apply sets the setting called name; bad is an error found with its value.
func (e *Effective) apply(name string, texts []string, origin string, bad error) error {
	for _, s := range Settings() {
		switch {
		case s.Name != name:
			continue
		case s.EnvOnly:
			return fmt.Errorf("%s: may only be set by %s or %s-file", name, s.Env(), name)
		case bad != nil:
			return fmt.Errorf("%s: %w", name, bad)
		case !s.List && len(texts) != 1:
			return fmt.Errorf("%s: takes one value", name)
		}
		return e.set(&s, texts, origin)
	}
	return fmt.Errorf("%s: no setting has this name", name)
}

func (e *Effective) set(s *Setting, texts []string, origin string) error {
	if err := s.set(&e.Config, texts); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	e.origins[s.Name] = origin
	return nil
}

// prefixed returns the variables that are ours.
func prefixed(environ []string) map[string]string {
	env := map[string]string{}
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(name, envPrefix) {
			env[name] = value
		}
	}
	return env
}

func splitList(s string) []string {
	var texts []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			texts = append(texts, part)
		}
	}
	return texts
}

// fileValue is one key of the file.
type fileValue struct {
	key   string
	texts []string
	line  int
	err   error
}

func readFile(name string) ([]fileValue, error) {
	raw, err := ReadFile(name)
	if err != nil {
		return nil, err
	}
	values, err := parseFile(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return values, nil
}

// ReadFile reads a file of the configuration, of at most 1 MiB.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB", name)
	}
	return raw, nil
}

func parseFile(raw []byte) ([]fileValue, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, nil // empty, or comments only
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("expected keys and values")
	}
	var values []fileValue
	for pair := range slices.Chunk(root.Content, 2) {
		v := fileValue{key: pair[0].Value, line: pair[0].Line}
		v.texts, v.err = nodeTexts(pair[1])
		if slices.ContainsFunc(values, func(o fileValue) bool { return o.key == v.key }) {
			v.err = errors.New("is given twice")
		}
		values = append(values, v)
	}
	return values, nil
}

// nodeTexts returns a scalar, or the scalars of a sequence, as written.
func nodeTexts(n *yaml.Node) ([]string, error) {
	switch {
	case n.Kind == yaml.ScalarNode && !isNull(n):
		return []string{n.Value}, nil
	case n.Kind != yaml.SequenceNode:
		return nil, errors.New("expected a value or a list of values")
	}
	texts := make([]string, 0, len(n.Content))
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode || isNull(c) {
			return nil, errors.New("expected a list of plain values")
		}
		texts = append(texts, c.Value)
	}
	return texts, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }
