package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/pflag"

	"github.com/orlop/orlop"
)

// platformsOptions choose platforms of an index.
type platformsOptions struct {
	platforms []string
	parsed    []*ocispec.Platform // each once
}

func (o *platformsOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringSliceVar(&o.platforms, "platform", nil,
		"copy only this platform of an index: `os[/arch][/variant][:os_version]`; repeatable, or several with commas")
}

func (o *platformsOptions) validate() error {
	for _, s := range o.platforms {
		p, err := parsePlatform(s)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(o.parsed, func(q *ocispec.Platform) bool { return platformText(p) == platformText(q) }) {
			o.parsed = append(o.parsed, p)
		}
	}
	return nil
}

// selectPlatforms returns what of the manifest m is to be copied: all, the
// image of one platform, or an index of several.
func selectPlatforms(ctx context.Context, t *target, m orlop.Manifest, want []*ocispec.Platform) (orlop.Manifest, error) {
	switch len(want) {
	case 0:
		return m, nil
	case 1:
		d, err := choosePlatform(ctx, t, m, want[0])
		if err != nil || d.Digest == m.Descriptor.Digest {
			return m, err
		}
		m, err = t.Manifest(ctx, t.repo, string(d.Digest))
		return m, t.aboutRef(t.digested(d.Digest), err)
	}
	info, err := orlop.ParseManifest(m.Descriptor.MediaType, m.Raw)
	if err != nil {
		return orlop.Manifest{}, err
	}
	if !orlop.IsIndex(info.MediaType) {
		return orlop.Manifest{}, withHint(fmt.Errorf("%q is not an image index or a manifest list", t.typed),
			"give one --platform to copy an image of that platform")
	}
	s := selection{want: want, images: map[digest.Digest]bool{}}
	if err := s.choose(info.Children); err != nil {
		return orlop.Manifest{}, err
	}
	return filterIndex(m, s.keeps)
}

// attestationOf is the annotation by which BuildKit says which image of the
// index a manifest of attestations is about.
const attestationOf = "vnd.docker.reference.digest"

// selection is what remains of an index: the entries of some platforms, those
// without a platform, and the attestations of what remains.
type selection struct {
	want   []*ocispec.Platform
	images map[digest.Digest]bool // that remain
}

// choose looks for the platforms among the entries. Every one must be there.
func (s *selection) choose(entries []orlop.Descriptor) error {
	var have, unmatched []string
	for _, d := range entries {
		if d.Annotations[attestationOf] != "" {
			continue
		}
		s.images[d.Digest] = s.images[d.Digest] || s.keeps(d)
		if d.Platform != nil {
			have = append(have, platformText(d.Platform))
		}
	}
	for _, w := range s.want {
		if !slices.ContainsFunc(entries, func(d orlop.Descriptor) bool {
			return d.Annotations[attestationOf] == "" && matchPlatform(w, d.Platform)
		}) {
			unmatched = append(unmatched, platformText(w))
		}
	}
	if len(unmatched) == 0 {
		return nil
	}
	return withHint(fmt.Errorf("unmatched platforms: %s", strings.Join(unmatched, ", ")),
		"available platforms in the index: %s", strings.Join(have, ", "))
}

// keeps tells whether an entry of the index remains.
func (s *selection) keeps(d orlop.Descriptor) bool {
	if image := d.Annotations[attestationOf]; image != "" {
		return s.images[digest.Digest(image)]
	}
	return d.Platform == nil ||
		slices.ContainsFunc(s.want, func(w *ocispec.Platform) bool { return matchPlatform(w, d.Platform) })
}

// filterIndex returns the index m with only the entries that keep selects, in
// compact JSON with all keys in their order; m itself if all remain.
func filterIndex(m orlop.Manifest, keep func(orlop.Descriptor) bool) (orlop.Manifest, error) {
	dec := json.NewDecoder(bytes.NewReader(m.Raw))
	if _, err := dec.Token(); err != nil { // it has been parsed, and is an object
		return orlop.Manifest{}, err
	}
	var out bytes.Buffer
	all, sep := true, "{"
	for dec.More() {
		key, value, err := member(dec)
		if err != nil {
			return orlop.Manifest{}, err
		}
		if key == "manifests" {
			var n int
			if value, n, err = filterEntries(value, keep); err != nil {
				return orlop.Manifest{}, err
			}
			all = n == 0
		}
		name, _ := json.Marshal(key) // a string can always be
		out.WriteString(sep)
		out.Write(name)
		out.WriteByte(':')
		if err := json.Compact(&out, value); err != nil {
			return orlop.Manifest{}, err
		}
		sep = ","
	}
	if all {
		return m, nil
	}
	out.WriteByte('}')
	raw := out.Bytes()
	d := m.Descriptor
	return orlop.Manifest{Raw: raw, Descriptor: orlop.Descriptor{
		MediaType: d.MediaType, Digest: digest.FromBytes(raw), Size: int64(len(raw)), ArtifactType: d.ArtifactType,
	}}, nil
}

// member reads a key and its value.
func member(dec *json.Decoder) (key string, value json.RawMessage, err error) {
	t, err := dec.Token()
	if err != nil {
		return "", nil, err
	}
	key, ok := t.(string)
	if !ok {
		return "", nil, errors.New("the index is not a JSON object")
	}
	return key, value, dec.Decode(&value)
}

// filterEntries returns the array of descriptors with only those that keep
// selects, and how many are left out.
func filterEntries(raw json.RawMessage, keep func(orlop.Descriptor) bool) (json.RawMessage, int, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, 0, err
	}
	kept := make([]json.RawMessage, 0, len(entries))
	for _, entry := range entries {
		var d orlop.Descriptor
		if err := json.Unmarshal(entry, &d); err != nil {
			return nil, 0, err
		}
		if keep(d) {
			kept = append(kept, entry)
		}
	}
	value, err := json.Marshal(kept)
	return value, len(entries) - len(kept), err
}
