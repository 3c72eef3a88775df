package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/orlop/orlop/internal/cli/output"
)

func newVersionCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of " + env.program(),
		Example: examples(env, "\n  orlop version"),
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				output.NewPrinter(env.Stderr).Line("WARNING: %s takes no argument: %q is ignored", cmd.CommandPath(), args[0])
			}
			out := output.NewPrinter(env.Stdout)
			out.Line("Version:    %s", env.Version)
			out.Line("Go version: %s", runtime.Version())
			out.Line("OS/Arch:    %s/%s", runtime.GOOS, runtime.GOARCH)
			if rev := vcsSetting("vcs.revision"); rev != "" {
				out.Line("Git commit: %s", rev)
			}
			return out.Err()
		},
	}
}

func vcsSetting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
