package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
	"github.com/orlop/orlop/layout"
	"github.com/orlop/orlop/remote/auth"
)

type backupOptions struct {
	commonOptions
	ttyOptions
	formatOptions
	remoteOptions
	distribution distributionOptions
	concurrencyOptions
	output           string
	includeReferrers bool

	source string
}

func newBackupCommand(env *Env) *cobra.Command {
	opts := backupOptions{}
	opts.distribution.remote = &opts.remoteOptions
	cmd := &cobra.Command{
		Use:   "backup [flags] --output <path> <registry>/<repository>[:<tag>[,<tag>][...]]",
		Short: "Back up a repository, or some of its tags, to an OCI image layout",
		Long: `Back up what the tags of a repository name to an OCI image layout: a tar file if
the path ends with .tar, else a directory.

A directory that is there already gets what it lacks, so that a backup can be
repeated, and one that was cut off goes on. A tar file is made anew, and
appears when it is complete. A tag that cannot be read does not keep the others
from being backed up.`,
		Example: examples(env, `
Back up all tags of a repository to a directory:
  orlop backup --output hello localhost:5000/hello

Back up two tags to a tar file:
  orlop backup --output hello.tar localhost:5000/hello:v1,v2

Back up with all that refers to the artifacts, such as signatures:
  orlop backup --output hello --include-referrers localhost:5000/hello`),
		Args: exactArgs(1, "the repository to back up"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.source = args[0]
			return runBackup(cmd.Context(), env, &opts)
		},
	}
	useGroups(cmd, &opts.commonOptions, &opts.ttyOptions, &opts.formatOptions, &opts.remoteOptions,
		&opts.distribution, &opts.concurrencyOptions)
	fs := cmd.Flags()
	fs.StringVarP(&opts.output, "output", "o", "", "`path` of the layout: a tar file if it ends with .tar, else a directory")
	fs.BoolVar(&opts.includeReferrers, "include-referrers", false, "also back up what refers to the artifacts, and what refers to that")
	requireFlag(cmd, "output")
	return cmd
}

// backupResult is the result of backup as JSON.
type backupResult struct {
	Repository string          `json:"repository"`
	Path       string          `json:"path"`
	Size       int64           `json:"size,omitempty"` // of a tar file
	Tags       []copiedTag     `json:"tags"`
	Failed     []failedTag     `json:"failed"`
	Summary    transferSummary `json:"summary"`
}

func runBackup(ctx context.Context, env *Env, opts *backupOptions) error {
	start := time.Now()
	from, err := opts.repository(env, &opts.commonOptions, opts.source, true)
	if err != nil {
		return err
	}
	ctx = auth.WithScopes(ctx, from.host(), auth.Scope(from.repo, "pull"))
	tags, err := wantedTags(ctx, from)
	if err != nil {
		return err
	}
	if len(tags) == 0 {
		return fmt.Errorf("no tags found in %s", from.base)
	}
	out := opts.formatOptions.text(env)
	b := newBulkCopy(from, &opts.concurrencyOptions, opts.includeReferrers)
	all, err := b.resolve(ctx, tags)
	if err != nil {
		return err
	}
	var size int64
	if len(all) > 0 {
		listTags(out, from.base, all)
		if size, err = opts.write(ctx, env, b, all, out); err != nil {
			return err
		}
	}
	if len(b.copied) > 0 {
		out.Line("Successfully backed up %d tag(s) from %q to %q in %s.", len(b.copied), from.base, opts.output, took(start))
	}
	return b.end(env, opts.formatOptions.parsed, out, "backed up", backupResult{
		Repository: from.base, Path: opts.output, Size: size, Tags: b.copied, Failed: b.failed, Summary: b.summary(),
	})
}

// write writes the layout, and returns the size of a tar file. One in which
// nothing would be is not made.
func (o *backupOptions) write(
	ctx context.Context, env *Env, b *bulkCopy, all []*tagged, out *output.Printer,
) (size int64, err error) {
	w, err := openBackup(o.output)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	p := progress(env, &o.commonOptions, &o.ttyOptions, o.formatOptions.parsed, out,
		"Pulling", "Pulled", "Exists", "Skipped", "Exporting")
	b.show(p, "Pulling", "Pulled", out)
	err = b.copy(ctx, all, w.target())
	p.Close()
	b.finish()
	if err != nil || len(b.copied) == 0 {
		return 0, err
	}
	return w.export(ctx, out)
}

// backup is the layout that is written.
type backup struct {
	*layout.Registry
	path string
	tar  bool
}

func openBackup(path string) (*backup, error) {
	b := &backup{path: path, tar: isTarName(path)}
	open := layout.Create
	if b.tar {
		open = layout.CreateTar
	}
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		b.Registry, err = open(path)
	}
	if err != nil {
		return nil, withHint(err, "choose another path by --output")
	}
	b.Batch()
	return b, nil
}

func (b *backup) target() *target {
	return newTarget(kindLayout, b.Registry, parsedRef{base: b.path})
}

// export completes the layout, and returns the size of a tar file.
func (b *backup) export(ctx context.Context, out *output.Printer) (int64, error) {
	if b.tar {
		out.Line("Exporting to %s", b.path)
	}
	if err := b.Commit(ctx); err != nil {
		return 0, err
	}
	if !b.tar {
		return 0, nil
	}
	info, err := os.Stat(b.path)
	if err != nil {
		return 0, err
	}
	out.Line("Exported to %s (%s)", b.path, archiveSize(info.Size()))
	return info.Size(), nil
}

// repository opens the repository of a registry, with the tags that were typed.
// With mirrors they may stand in for the registry.
func (o *remoteOptions) repository(env *Env, c *commonOptions, raw string, mirrors bool) (*target, error) {
	p, err := parseRemote(raw)
	if err != nil {
		return nil, err
	}
	reg, err := o.registryOf(env, c, p, mirrors)
	if err != nil {
		return nil, err
	}
	return newTarget(kindRegistry, reg, p), nil
}
