package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/control"
	"github.com/orlop/orlop/internal/gc"
	"github.com/orlop/orlop/internal/meta"
	"github.com/orlop/orlop/internal/server"
)

// gcOptions are the flags of "orlopd gc".
type gcOptions struct {
	dryRun, kept bool
	format       string
}

func newGC(env *Env) *cobra.Command {
	var o gcOptions
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Collect garbage now, beside a server that serves",
		Long: `Collect garbage now, beside a server that serves.

A server collects garbage all the time; this runs one full cycle at once and tells
what it did. Where a server runs on the data directory, it is asked to do it;
otherwise the stores are opened. What is not used is kept for a day, and its
content for two more hours, so that uploads and downloads under way are safe.

Exit codes: 0 done, 1 something failed and is tried again by a later cycle.`,
		Example: `  orlopd gc --data /var/lib/orlop
  orlopd gc --dry-run                 # what would go, and why
  orlopd gc --dry-run --kept          # and what waits and stays, and why
  orlopd gc --dry-run --format json | jq -r 'select(.goes) | .digest'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runGC(cmd, env, &o) },
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "tell what would be removed and why, and change nothing")
	cmd.Flags().BoolVar(&o.kept, "kept", false, "with --dry-run: also what waits for a review and stays, and why")
	cmd.Flags().StringVar(&o.format, "format", "text", "text or json")
	return cmd
}

// garbage is who collects: a server, or a collector of this process.
type garbage interface {
	Collect(ctx context.Context, progress func(gc.Report)) (gc.Report, error)
	Explain(ctx context.Context, kept bool) iter.Seq2[meta.Finding, error]
}

// ownCollector is a collector of this process.
type ownCollector struct{ *gc.Collector }

// Collect implements garbage.
func (c ownCollector) Collect(ctx context.Context, progress func(gc.Report)) (gc.Report, error) {
	return c.CycleTelling(ctx, progress)
}

func runGC(cmd *cobra.Command, env *Env, o *gcOptions) (err error) {
	switch {
	case o.format != "text" && o.format != "json":
		return &useError{fmt.Errorf("--format %q is neither text nor json", o.format), helpHint(cmd)}
	case o.kept && !o.dryRun:
		return &useError{errors.New("--kept is for --dry-run"), helpHint(cmd)}
	}
	effective, err := load(cmd, env)
	if err != nil {
		return err
	}
	collector, closing, err := openGarbage(cmd.Context(), &effective.Config, env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closing()) }()
	if o.dryRun {
		return explainGarbage(cmd.Context(), env.Stdout, collector, o)
	}
	return collectGarbage(cmd.Context(), env, collector, o)
}

// openGarbage asks the server that has the data directory, or opens the stores.
func openGarbage(ctx context.Context, cfg *config.Config, env *Env) (garbage, func() error, error) {
	client, err := control.Dial(ctx, cfg.Data)
	if err == nil {
		return client, func() error { return nil }, nil
	}
	if !errors.Is(err, control.ErrNoServer) {
		return nil, nil, err
	}
	own, closing, err := server.OpenCollector(ctx, *cfg, newLogger(cfg, env.Stderr))
	return ownCollector{own}, closing, err
}

// progressInterval is the least time between two lines of progress.
const progressInterval = time.Second

func collectGarbage(ctx context.Context, env *Env, collector garbage, o *gcOptions) error {
	last := time.Now()
	report, err := collector.Collect(ctx, func(r gc.Report) {
		if time.Since(last) >= progressInterval {
			last = time.Now()
			fmt.Fprintf(env.Stderr, "orlopd: %d manifests and %d blobs reviewed, %d objects removed, %s freed\n",
				reviewed(r.Manifests), reviewed(r.Blobs), r.Objects, bytesText(r.Freed))
		}
	})
	if o.format == "json" {
		return errors.Join(err, json.NewEncoder(env.Stdout).Encode(report))
	}
	return errors.Join(err, printReport(env.Stdout, &report))
}

func reviewed(c gc.Counts) int { return c.Removed + c.Kept + c.Postponed }

func printReport(w io.Writer, r *gc.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "expired uploads removed:    %d\n", r.Uploads)
	fmt.Fprintf(&b, "deleted manifests expired:  %d\n", r.Expired)
	for _, c := range []struct {
		name string
		gc.Counts
	}{{"manifests", r.Manifests}, {"blobs", r.Blobs}} {
		fmt.Fprintf(&b, "%-28s%d (%d in use, %d later)\n", c.name+" removed:", c.Removed, c.Kept, c.Postponed)
	}
	fmt.Fprintf(&b, "objects removed:            %d\n", r.Objects)
	fmt.Fprintf(&b, "freed:                      %s\n", bytesText(r.Freed))
	if r.Later > 0 {
		fmt.Fprintf(&b, "to be freed in two hours:   %s in %d objects\n", bytesText(r.LaterSize), r.Later)
	}
	if r.Failed > 0 {
		fmt.Fprintf(&b, "failed, to be tried again:  %d\n", r.Failed)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// explainGarbage prints what a cycle would remove, a line each: what, where, how
// large, since when, why.
func explainGarbage(ctx context.Context, w io.Writer, collector garbage, o *gcOptions) error {
	enc := json.NewEncoder(w)
	var n int
	var size int64
	for f, err := range collector.Explain(ctx, o.kept) {
		if err != nil {
			return err
		}
		if f.Goes {
			n++
			size += f.Size
		}
		if o.format == "json" {
			err = enc.Encode(f)
		} else {
			_, err = fmt.Fprintln(w, findingText(&f))
		}
		if err != nil {
			return err
		}
	}
	if o.format == "json" {
		return nil
	}
	_, err := fmt.Fprintf(w, "%d would be removed, %s\n", n, bytesText(size))
	return err
}

func findingText(f *meta.Finding) string {
	verdict := "stays"
	if f.Goes {
		verdict = "goes "
	}
	name, since, place := string(f.Digest), "", ""
	if name == "" {
		name = f.Name
	}
	if len(f.Repositories) > 0 {
		place = " in " + strings.Join(f.Repositories, ", ")
	}
	if !f.Since.IsZero() {
		since = ", since " + f.Since.Format(time.RFC3339)
	}
	return fmt.Sprintf("%s %-8s %s%s, %s%s: %s", verdict, f.Kind, name, place, bytesText(f.Size), since, f.Reason)
}

// bytesText is a size for people.
func bytesText(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
