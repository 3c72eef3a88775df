package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/orlop/orlop/internal/config"
	"github.com/orlop/orlop/internal/migrate"
	"github.com/orlop/orlop/internal/server"
)

// migrateOptions are the flags of "orlopd migrate".
type migrateOptions struct {
	from, to             string
	finish, reopen       bool
	leaveDamaged         bool
	concurrency          int
	format               string
	sourceCfg, targetCfg config.Config
}

const migrateLong = `Move a registry to other stores: from SQLite and files to PostgreSQL and an
object store, back, or between any two.

--from and --to are each a configuration file of orlopd, of which data, metadata
and blobs count, or a data directory. The target must be empty at first.

Run it as often as you like while the source serves: each pass copies what has
changed, with every digest checked. Then stop the server on the source and run it
with --finish: the last pass, after which both sides are compared. Nodes on
PostgreSQL need not be stopped: from --finish on the database refuses their
pushes (503), and pulls go on, until you start nodes on the target. A pass that
was ended goes on where it was. The target is not served before --finish has
succeeded; the source is not served after that, unless --reopen takes it back.

Content that is damaged in the source is reported and not copied. --finish fails
then; with --leave-damaged it goes on without it, and pushing it again heals.

Uploads under way that have bytes in the blob store begin anew.

Exit codes: 0 done, 1 failed or damage was found, 2 wrong use.`

func newMigrate(env *Env) *cobra.Command {
	var o migrateOptions
	cmd := &cobra.Command{
		Use:   "migrate --from PLACE --to PLACE",
		Short: "Move a registry to other stores, while it serves",
		Long:  migrateLong,
		Example: `  orlopd migrate --from /var/lib/orlop --to /etc/orlopd-new.yaml
  orlopd migrate --from /var/lib/orlop --to /etc/orlopd-new.yaml --finish
  orlopd migrate --from /etc/orlopd.yaml --to /var/lib/orlop --format json
  orlopd migrate --from /var/lib/orlop --reopen`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runMigrate(cmd, env, &o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "`PLACE` where the registry is: a configuration file or a data directory")
	f.StringVar(&o.to, "to", "", "`PLACE` where it goes")
	f.BoolVar(&o.finish, "finish", false, "make the last pass: nothing is written to the source any more")
	f.BoolVar(&o.reopen, "reopen", false, "let the source be served again, as it was when it was moved")
	f.BoolVar(&o.leaveDamaged, "leave-damaged", false, "with --finish: go on without what is damaged")
	f.IntVar(&o.concurrency, "concurrency", 8, "`N` objects are copied at a time")
	f.StringVar(&o.format, "format", "text", "text or json")
	return cmd
}

// parse checks the flags and reads the configurations.
func (o *migrateOptions) parse(cmd *cobra.Command) (err error) {
	wrong := func(format string, args ...any) error {
		return &useError{fmt.Errorf(format, args...), helpHint(cmd)}
	}
	for _, s := range config.Settings() {
		if f := cmd.InheritedFlags().Lookup(s.Name); f != nil && f.Changed {
			return wrong("--%s: settings are taken from --from and --to", s.Name)
		}
	}
	switch {
	case o.from == "":
		return wrong("--from is needed")
	case o.to == "" && !o.reopen:
		return wrong("--to is needed")
	case o.reopen && (o.to != "" || o.finish):
		return wrong("--reopen goes with --from alone")
	case o.format != "text" && o.format != "json":
		return wrong("--format: %q is neither text nor json", o.format)
	case o.concurrency < 1:
		return wrong("--concurrency: must be at least 1")
	}
	if o.sourceCfg, err = placeConfig(o.from); err != nil {
		return wrong("--from: %w", err)
	}
	if o.to == "" {
		return nil
	}
	if o.targetCfg, err = placeConfig(o.to); err != nil {
		return wrong("--to: %w", err)
	}
	return nil
}

// placeConfig is the configuration of a place: a file, or a data directory and
// defaults. A directory need not be there.
func placeConfig(place string) (config.Config, error) {
	info, err := os.Stat(place)
	if err == nil && !info.IsDir() {
		effective, err := config.Load(config.Sources{File: place})
		return effective.Config, err
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return config.Config{}, err
	}
	cfg := config.Default()
	cfg.Data = place
	return cfg, nil
}

func runMigrate(cmd *cobra.Command, env *Env, o *migrateOptions) (err error) {
	if err := o.parse(cmd); err != nil {
		return err
	}
	ctx := cmd.Context()
	from, err := server.OpenStores(ctx, o.sourceCfg, server.StoresOptions{Beside: !o.finish && !o.reopen})
	if err != nil {
		return fmt.Errorf("open the source: %w", err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if o.reopen {
		return reopen(ctx, env, from)
	}
	to, err := server.OpenStores(ctx, o.targetCfg, server.StoresOptions{Make: true})
	if err != nil {
		return fmt.Errorf("open the target: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	show := &migrateProgress{out: env.Stderr, terminal: isTerminal(env.Stderr)}
	report, failed := migrate.Run(ctx, side(from), side(to), migrate.Options{
		Finish: o.finish, LeaveDamaged: o.leaveDamaged, Concurrency: o.concurrency, Progress: show.tell,
	})
	show.end()
	return errors.Join(printMoved(env.Stdout, o.format, report), failed)
}

func side(s *server.Stores) migrate.Side {
	return migrate.Side{Name: s.Name, DB: s.DB, Blobs: s.Blobs}
}

func reopen(ctx context.Context, env *Env, from *server.Stores) error {
	if err := from.DB.Thaw(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Stdout, "%s can be served again; do not serve both places\n", from.Name)
	return err
}

// printMoved prints what a pass has done.
func printMoved(w io.Writer, format string, r migrate.Report) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	for _, d := range r.Damaged {
		fmt.Fprintf(w, "damaged: %s %s: %s\n", d.Kind, d.Digest, d.Reason)
	}
	fmt.Fprintf(w, "copied %d objects (%s); of %d rows %d were new or changed, and %d are gone\n",
		r.Objects, bytesText(r.Bytes), r.Rows, r.Written, r.Removed)
	if e := r.Equality; e != nil {
		fmt.Fprintf(w, "compared %d rows in %d tables, and %d objects (%s)\n", e.Rows, len(e.Tables), e.Objects, bytesText(e.Bytes))
	}
	last := "the source may have changed meanwhile: run this again, and with --finish to end"
	if r.Finished {
		last = "moved: serve from the target now, and not from the source any more"
	}
	_, err := fmt.Fprintln(w, last)
	return err
}

// migrateProgress shows how far a pass is, on a terminal.
type migrateProgress struct {
	out      io.Writer
	terminal bool
	shown    time.Time
}

func (p *migrateProgress) tell(now migrate.Progress) {
	const often = 200 * time.Millisecond
	if !p.terminal || time.Since(p.shown) < often {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.out, "\r\x1b[K%s: %d rows; %d objects (%s)", now.Table, now.Rows, now.Objects, bytesText(now.Bytes))
}

func (p *migrateProgress) end() {
	if !p.shown.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
