// Package azuresdk tests orlopd with Azure's own SDK for Go: every method of its
// clients of Azure Container Registry, and credentials of azidentity with a
// cloud of our own. It is a module of its own, so that the SDK is nobody's
// dependency.
package azuresdk
