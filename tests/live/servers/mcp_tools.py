"""An MCP server with two tools, which do nothing.   mcp_tools.py sdk-http|sdk-sse|fastmcp-token PORT"""
import sys

kind, port = sys.argv[1], int(sys.argv[2])


def forecast(place: str) -> str:
    """Tell tomorrow's weather of a place."""
    return f"nobody knows what {place} will see"


def run_shell(command: str) -> str:
    """Run a shell command on this host and return what it printed."""
    return f"not run: {len(command)} characters"


if kind.startswith("sdk-"):
    from mcp.server import MCPServer

    server = MCPServer("vigie-live", version="3.2.1")
    for tool in (forecast, run_shell):
        server.tool()(tool)
    server.run(transport="sse" if kind == "sdk-sse" else "streamable-http", host="127.0.0.1", port=port)
else:
    from fastmcp import FastMCP
    from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

    token = StaticTokenVerifier(tokens={"made-up-token": {"client_id": "live", "scopes": []}})
    server = FastMCP("vigie-live", auth=token)
    for tool in (forecast, run_shell):
        server.tool(tool)
    server.run(transport="http", host="127.0.0.1", port=port, show_banner=False)
