package daemon

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the configuration",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check",
			Short: "Tell everything that is wrong with the configuration",
			Args:  noArgs,
			RunE:  func(cmd *cobra.Command, _ []string) error { return runConfigCheck(cmd, env) },
		},
		&cobra.Command{
			Use:   "print",
			Short: "Print the configuration in effect as YAML, with the origin of each value",
			Args:  noArgs,
			RunE:  func(cmd *cobra.Command, _ []string) error { return runConfigPrint(cmd, env) },
		},
	)
	return cmd
}

func runConfigCheck(cmd *cobra.Command, env *Env) error {
	if _, err := load(cmd, env); err != nil {
		return err
	}
	_, err := fmt.Fprintln(env.Stdout, "the configuration is good")
	return err
}

func runConfigPrint(cmd *cobra.Command, env *Env) error {
	effective, err := load(cmd, env)
	if err != nil {
		return err
	}
	return effective.Print(env.Stdout)
}
