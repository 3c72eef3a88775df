package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/orlop/orlop"
	"github.com/orlop/orlop/internal/cli/output"
)

type discoverOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	targetOptions
	distributionOptions
	platformOptions
	artifactType string
	depth        int
	output       string // the former name of --format

	target string
}

func newDiscoverCommand(env *Env) *cobra.Command {
	opts := discoverOptions{formatOptions: formatOptions{forPeople: []string{output.Tree, output.Table}}}
	opts.distributionOptions.remote = &opts.remoteOptions
	cmd := &cobra.Command{
		Use:   "discover [flags] <name>{:<tag>|@<digest>}",
		Short: "Show what refers to an artifact",
		Long: `Show the artifacts that refer to an artifact, such as signatures and bills of
materials, what refers to those, and so on.`,
		Example: examples(env, `
Show what refers to the artifact v1, as a tree:
  orlop discover localhost:5000/hello:v1

Show what is attached to it, and no further:
  orlop discover --depth 1 localhost:5000/hello:v1

Show what has a certain type, as JSON:
  orlop discover --artifact-type application/vnd.example.sbom --format json localhost:5000/hello:v1

Show what refers to the image of one platform of an index:
  orlop discover --platform linux/arm64 localhost:5000/hello:v1

Show what refers to an artifact in the OCI image layout directory layout-dir:
  orlop discover --oci-layout layout-dir:v1`),
		Args: exactArgs(1, "the artifact"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.target = args[0]
			if err := opts.complete(env, cmd); err != nil {
				return wrongUse(cmd, err)
			}
			return runDiscover(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.targetOptions,
		&opts.distributionOptions, &opts.platformOptions)
	fs := cmd.Flags()
	fs.StringVar(&opts.artifactType, "artifact-type", "", "only what has this type, and what refers to it")
	fs.IntVar(&opts.depth, "depth", 0, "levels to show, at least 1; if not given, all")
	fs.StringVarP(&opts.output, "output", "o", output.Tree, "former name of --format: tree, table or json")
	return cmd
}

// complete checks what only this command has, and tells of what is deprecated.
func (o *discoverOptions) complete(env *Env, cmd *cobra.Command) (err error) {
	given := cmd.Flags().Changed
	switch {
	case given("depth") && o.depth < 1:
		return errors.New("--depth must be at least 1")
	case given("output") && given("format"):
		return errors.New("--output and --format cannot be used together")
	}
	notices := output.NewPrinter(env.Stderr)
	if given("output") {
		if o.formatOptions.parsed, err = output.ParseFormat(o.output, "", o.forPeople...); err != nil {
			return err
		}
		notices.Line("[DEPRECATED] --output is deprecated, try `--format %s` instead", o.output)
	}
	if o.formatOptions.parsed.Type == output.Table {
		notices.Line("Format %q is deprecated and will be removed in a future release.", output.Table)
		o.depth = 1 // it has no place for more
	}
	return nil
}

func runDiscover(ctx context.Context, env *Env, opts *discoverOptions) error {
	t, err := opts.openManifest(env, &opts.commonOptions, opts.target)
	if err != nil {
		return err
	}
	d, err := resolve(ctx, t, &opts.platformOptions)
	if err != nil {
		return err
	}
	root, err := discover(ctx, t, d, orlop.WalkOptions{ArtifactType: opts.artifactType, MaxDepth: opts.depth})
	if err != nil {
		return t.about(err)
	}
	out := output.NewPrinter(env.Stdout)
	switch f := opts.formatOptions.parsed; f.Type {
	case output.Tree:
		root.tree(opts.verbose).Print(out, opts.colours(env))
	case output.Table:
		root.table(out, t.typed, opts.verbose)
	default:
		return f.Write(env.Stdout, root)
	}
	return out.Err()
}

// colours tells whether colours are wanted (no-color.org).
func (o *discoverOptions) colours(env *Env) bool {
	return env.StdoutTTY && !o.noTTY && !o.debug && env.Getenv("NO_COLOR") == ""
}

// discovered is a manifest and what refers to it, as JSON.
type discovered struct {
	Reference string `json:"reference"`
	descriptor
	Referrers []*discovered `json:"referrers"`
}

// maxLevels is how deep referrers of referrers are followed unless --depth says
// otherwise: a registry that has no end must not fill memory with indentation.
const maxLevels = 500

// discover finds what refers to the manifest d.
func discover(ctx context.Context, t *target, d orlop.Descriptor, o orlop.WalkOptions) (*discovered, error) {
	node := func(d orlop.Descriptor) *discovered {
		return &discovered{t.digested(d.Digest), describe(d), []*discovered{}}
	}
	root := node(d)
	nodes := map[digest.Digest]*discovered{d.Digest: root}
	for r, err := range orlop.WalkReferrers(ctx, t, t.repo, d.Digest, o) {
		if err != nil {
			return nil, err
		}
		if o.MaxDepth == 0 && r.Depth > maxLevels {
			return nil, withHint(fmt.Errorf("%w: deeper than %d levels of referrers", orlop.ErrTooLarge, maxLevels), "show less with --depth")
		}
		n := node(r.Descriptor)
		nodes[r.Descriptor.Digest] = n
		nodes[r.Subject].Referrers = append(nodes[r.Subject].Referrers, n)
	}
	return root, nil
}

// tree shows n and what refers to it, those of one type together.
func (n *discovered) tree(annotations bool) *output.Node {
	root := output.NewNode(n.Reference, output.LookName)
	n.addReferrers(root, annotations)
	return root
}

// unknownType stands for the type of a manifest that does not say it.
const unknownType = "<unknown>"

func (n *discovered) addReferrers(to *output.Node, annotations bool) {
	types := map[string]*output.Node{}
	for _, r := range n.Referrers {
		kind := cmp.Or(r.ArtifactType, unknownType)
		if types[kind] == nil {
			types[kind] = to.Add(kind, output.LookKind)
		}
		node := types[kind].Add(r.Digest, output.LookName)
		if annotations && len(r.Annotations) > 0 {
			list := node.Add("[annotations]", output.LookNote)
			for _, k := range slices.Sorted(maps.Keys(r.Annotations)) {
				list.Add(output.YAMLPair(k, r.Annotations[k]), output.LookPlain)
			}
		}
		r.addReferrers(node, annotations)
	}
}

// table shows what refers to n, which was named as typed.
func (n *discovered) table(out *output.Printer, typed string, details bool) {
	noun := "artifacts"
	if len(n.Referrers) == 1 {
		noun = "artifact"
	}
	out.Line("Discovered %d %s referencing %s", len(n.Referrers), noun, typed)
	out.Line("Digest: %s", n.Digest)
	if len(n.Referrers) == 0 {
		return
	}
	const head = "Artifact Type"
	width := len(head)
	for _, r := range n.Referrers {
		width = max(width, len(r.ArtifactType))
	}
	out.Line("")
	out.Line("%-*s   %s", width, head, "Digest")
	for _, r := range n.Referrers {
		out.Line("%-*s   %s", width, r.ArtifactType, r.Digest)
		if details {
			out.JSON(r.descriptor)
		}
	}
}
