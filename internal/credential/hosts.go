package credential

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Hosts lists the registries with a stored credential, in byte order. If a
// helper cannot be asked, it returns the others and an error.
func (s *Store) Hosts(ctx context.Context) ([]string, error) {
	found := map[string]bool{}
	var errs []error
	for _, f := range s.files {
		errs = append(errs, s.hostsOf(ctx, f, found))
	}
	return slices.Sorted(maps.Keys(found)), errors.Join(errs...)
}

func (s *Store) hostsOf(ctx context.Context, f file, found map[string]bool) error {
	o, err := f.read()
	if err != nil {
		return err
	}
	auths, err := o.object("auths")
	if err != nil {
		return err
	}
	for _, m := range auths {
		if hasSecret(m.value) {
			found[hostOf(m.name)] = true
		}
	}
	names, err := helperNames(o)
	for _, name := range names {
		err = errors.Join(err, s.helperHosts(ctx, o, name, found))
	}
	return err
}

// helperNames returns the helpers that o names, each once.
func helperNames(o object) ([]string, error) {
	names := []string{o.string("credsStore")}
	helpers, err := o.object("credHelpers")
	for _, m := range helpers {
		names = append(names, helpers.string(m.name))
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(n string) bool { return n == "" }), err
}

// helperHosts adds the hosts that a helper knows, as far as o asks it for them.
func (s *Store) helperHosts(ctx context.Context, o object, name string, found map[string]bool) error {
	h, stop := startHelper(ctx, name, s.helperTime)
	defer stop()
	servers, err := h.list()
	for key := range servers {
		host := hostOf(key)
		if asked, _ := helperFor(o, host); asked == name && checkHost(host) == nil {
			found[host] = true
		}
	}
	return err
}
