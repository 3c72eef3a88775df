package cli

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/orlop/orlop"
)

// referrersDir is the folder of the files of referrers, below the output
// directory.
const referrersDir = "referrers"

// referrersOptions choose whether what refers to an artifact is pulled too.
type referrersOptions struct {
	include bool
	types   []string // of referrers; all if empty
}

func (o *referrersOptions) addFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.include, "include-referrers", false,
		"also pull the files of what refers to the artifact, into "+referrersDir+"/sha256-DIGEST, a folder for each")
	fs.StringArrayVar(&o.types, "referrer-type", nil, "as --include-referrers, but only referrers of this artifact `TYPE`; may be repeated")
}

func (o *referrersOptions) validate() error {
	o.include = o.include || len(o.types) > 0
	return nil
}

func (o *referrersOptions) wants(artifactType string) bool {
	return len(o.types) == 0 || slices.Contains(o.types, artifactType)
}

// collectReferrers finds the blobs of what refers to the manifests collected so
// far.
func (c *collector) collectReferrers(ctx context.Context, o *referrersOptions) error {
	found := make([][]node, len(c.manifests))
	g, listing := errgroup.WithContext(ctx)
	g.SetLimit(manifestsAtOnce)
	for i, subject := range c.manifests {
		g.Go(func() (err error) {
			found[i], err = c.referrers(listing, subject.Digest, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	nodes, err := c.unseen(slices.Concat(found...))
	if err != nil {
		return err
	}
	return c.walk(ctx, nodes)
}

func (c *collector) referrers(ctx context.Context, subject digest.Digest, o *referrersOptions) ([]node, error) {
	var nodes []node
	for d, err := range c.from.Referrers(ctx, c.from.repo, subject, "") {
		if err != nil {
			return nil, c.from.aboutRef(c.from.digested(subject), err)
		}
		if !o.wants(d.ArtifactType) {
			continue
		}
		if len(nodes) == maxManifests {
			return nil, fmt.Errorf("%w: %s has more than %d referrers", errManyManifests, c.from.typed, maxManifests)
		}
		d = orlop.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size} // annotations may be large
		nodes = append(nodes, node{desc: d, anyType: true, dir: referrerDir(d.Digest)})
	}
	return nodes, nil
}

// referrerDir is the folder of a referrer. No title in the artifact can lead
// into it, for a referrer holds the digest of the artifact: who makes the one
// cannot know the other's.
func referrerDir(d digest.Digest) string {
	return path.Join(referrersDir, strings.ReplaceAll(string(d), ":", "-"))
}

// within returns the name of a file in a folder of its own, out of which no
// title leads.
func within(dir, title string, d orlop.Descriptor) (string, error) {
	if dir == "" {
		return title, nil
	}
	if !filepath.IsLocal(filepath.FromSlash(title)) {
		return "", fmt.Errorf("%q of %s leads out of the folder of the referrer", title, d.Digest)
	}
	return path.Join(dir, title), nil
}
