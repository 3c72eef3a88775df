package daemon

import (
	"os"
	"strings"
)

// shell is how a line looks in a shell.
type shell struct {
	variable  func(name string) string
	export    func(name, value string) string
	addHost   func(entry string) string
	makeFile  func(target string, sources ...string) []string
	bundle    func() string // where the machine's authorities are, for Python
	home      string
	continued string // end of a line that goes on
}

var bash = shell{
	variable: func(name string) string { return `"$` + name + `"` },
	export:   func(name, value string) string { return "export " + name + `="` + value + `"` },
	addHost:  func(entry string) string { return `echo "` + entry + `" | sudo tee -a /etc/hosts` },
	makeFile: func(target string, sources ...string) []string {
		return []string{`mkdir -p "$HOME/.azure"`, "cat " + quoted(sources) + ` > "` + target + `"`}
	},
	bundle: systemBundle, home: "$HOME/.azure/", continued: ` \`,
}

var powerShell = shell{
	variable: func(name string) string { return "$" + name },
	export:   func(name, value string) string { return "$env:" + name + ` = "` + value + `"` },
	addHost: func(entry string) string {
		return `Add-Content "$env:SystemRoot\System32\drivers\etc\hosts" "` + entry + `"  # as administrator`
	},
	makeFile: func(target string, sources ...string) []string {
		return []string{
			`New-Item -ItemType Directory -Force "$HOME\.azure" | Out-Null`,
			"Get-Content " + strings.ReplaceAll(quoted(sources), `" "`, `", "`) + ` | Set-Content -Encoding ascii "` + target + `"`,
		}
	},
	// The Azure CLI for Windows brings its own.
	bundle: func() string {
		return `$env:ProgramFiles\Microsoft SDKs\Azure\CLI2\Lib\site-packages\certifi\cacert.pem`
	},
	home: `$HOME\.azure\`, continued: " `",
}

func quoted(files []string) string { return `"` + strings.Join(files, `" "`) + `"` }

// bundles are where systems keep the certificates of the authorities that they
// trust.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
	"/etc/ssl/ca-bundle.pem",             // SUSE
	"/etc/ssl/cert.pem",                  // Alpine, macOS
}

func systemBundle() string {
	for _, file := range bundles {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	return bundles[0]
}

// script gives the lines for a shell. What needs a name or a secret of the
// person's is commented out, so that the rest can be run as it is.
func (s *azureSetup) script(sh shell) []string {
	var lines []string
	part := func(title string, more ...string) {
		if len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(append(lines, "# "+title), more...)
	}
	if s.HostEntry != "" {
		part("The name of the registry leads nowhere yet.", sh.addHost(s.HostEntry))
	}
	if s.CAFile != "" {
		trusted := sh.home + s.Cloud + "-ca.pem"
		part("Trust the registry's certificates: az by the first variable, oras and other Go programs by the second.",
			append(sh.makeFile(trusted, sh.bundle(), s.CAFile), sh.export("REQUESTS_CA_BUNDLE", trusted), sh.export("SSL_CERT_FILE", trusted))...)
	}
	part("Make the server a cloud of az, once. Back to Azure: az cloud set --name AzureCloud",
		strings.Join(s.register(), sh.continued+"\n    "), "az cloud set --name "+s.Cloud)
	for _, p := range s.next(sh) {
		part(p.title, p.lines...)
	}
	return lines
}

type steps struct {
	title string
	lines []string
}

// next is what to do once az knows the server.
func (s *azureSetup) next(sh shell) []steps {
	return []steps{
		{"Then, as the admin, make a service principal:", []string{
			"#   orlop login " + s.LoginServer + " --username admin",
			"#   orlop acr sp create --name ci --role AcrPush",
		}},
		{"Sign in as it, and look around. With --username and --password az acr needs no sign-in.", []string{
			"#   az login --service-principal --username " + sh.variable("SP_APP_ID") + " --password " + sh.variable("SP_PASSWD") + " --tenant " + s.Tenant,
			"#   az acr repository list --name " + s.Registry,
		}},
	}
}

// register is the command that makes the server a cloud.
func (s *azureSetup) register() []string {
	return []string{
		"az cloud register --name " + s.Cloud,
		"--endpoint-resource-manager " + s.URL,
		"--endpoint-management " + s.URL,
		"--endpoint-active-directory " + s.URL + "/adfs",
		"--endpoint-active-directory-resource-id " + s.URL,
		"--endpoint-active-directory-graph-resource-id " + s.URL,
		"--suffix-storage-endpoint " + strings.TrimPrefix(s.Suffix, "."),
		"--suffix-acr-login-server-endpoint " + s.Suffix,
	}
}
