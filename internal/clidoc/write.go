package main

import (
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/orlop/orlop/internal/cli"
)

// writers write one kind of document of a command line into a directory.
var writers = map[string]func(root *cobra.Command, dir string) error{
	"markdown":   writeMarkdown,
	"man":        writeMan,
	"completion": writeCompletion,
}

// newRoot returns the command line as it is on every machine: nothing of the
// environment shows in it.
func newRoot() *cobra.Command {
	root := cli.NewRoot(&cli.Env{
		Args: []string{"orlop"}, Version: "dev",
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard,
		Getenv: func(string) string { return "" },
	})
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true // it has the date
	return root
}

func writeMarkdown(root *cobra.Command, dir string) error { return doc.GenMarkdownTree(root, dir) }

func writeMan(root *cobra.Command, dir string) error {
	day := time.Time{}.AddDate(2025, 0, 0) // the same for everyone
	return doc.GenManTree(root, &doc.GenManHeader{
		Title: strings.ToUpper(root.Name()), Section: "1", Date: &day, Source: "Orlop", Manual: "Orlop",
	}, dir)
}

func writeCompletion(root *cobra.Command, dir string) error {
	name := root.Name()
	for file, write := range map[string]func(path string) error{
		name + ".bash": func(path string) error { return root.GenBashCompletionFileV2(path, true) },
		"_" + name:     root.GenZshCompletionFile,
		name + ".fish": func(path string) error { return root.GenFishCompletionFile(path, true) },
		name + ".ps1":  root.GenPowerShellCompletionFileWithDesc,
	} {
		if err := write(filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	return nil
}
