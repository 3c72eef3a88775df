// Package credential keeps the credentials of registries where Docker keeps
// them: in the configuration file that docker, podman, helm and oras read too,
// and in the credential helpers that the file names.
//
// Only the parts about credentials are read; everything else in the file is
// kept as it is. A file is changed under a lock and replaced in one step, so
// that several logins at once, or a crash in the middle, lose nothing. Secrets
// appear in no error and in no command line.
package credential
