"""The agent's tools: input schemas, Python functions as tools, and bash.

A new tool is an object with the methods of `Tool` in a module beside `bash.py`; `Agent(tools=[...])` takes it. A tool
that is one Python function needs no module: see `function_tool.py`.
"""
