// Reads a dashboard as strictly as Grafana's own types allow: a field that they do not have is an error.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	var read dashboard.Dashboard
	// Without an error it returns an empty list of them, which is not nil.
	if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		fmt.Println("it does not read:", err)
		os.Exit(1)
	}
	if err := read.Validate(); err != nil {
		fmt.Println("it is not valid:", err)
		os.Exit(1)
	}
	fmt.Println("panels:", len(read.Panels))
}
