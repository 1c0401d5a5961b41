"""An agent of a repository, and how a test calls it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flag_harness.analysis.code.detected_flag import DetectedFlag


@dataclass(frozen=True, slots=True)
class FoundAgent:
    """A function, class or program of the repository that a test can call and that sends requests to the API.

    Attributes:
        file_path: the file, relative to the repository, with `/`.
        name: the function or class, or empty for a program that is started by its path.
        call_code: the expression that calls it, or the arguments of the program or `main`.
        kind: `plain`, `async`, `generator`, `async generator`, `main`, `async main`, `program` or `node`. A `main` is a
            function that reads the arguments of a command line.
        needs_client: True if `call_code` uses a variable `client`.
        line_number: the line of the definition in the file.
        likelihood_rank: how likely it is the function that users call; the agent with the highest rank is tested.
        returns_answer: False for a function that returns nothing.
        import_folder: the folder that must be on `sys.path` to import the module, relative to the repository.
        module_name: the name to import the module by.
        option_flags: the flags that are options of the program, or of the `main`.
        takes_argv: True if a `main` gets its arguments as a list, and does not read `sys.argv`.
        answer_tools: the tools by which the model has to answer in the form of a class, each with a sample input.
    """

    file_path: str
    name: str
    call_code: str
    kind: str
    needs_client: bool
    line_number: int
    likelihood_rank: int
    returns_answer: bool = True
    import_folder: str = "."
    module_name: str = ""
    option_flags: tuple[DetectedFlag, ...] = ()
    takes_argv: bool = True
    answer_tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UncallableFunction:
    """A function that calls the API and whose arguments cannot be guessed.

    Attributes:
        agent: the function, with a call in which `...` stands for what cannot be guessed.
        name: the function, or the class and the method.
        unknown_parameters: the parameters that nobody can guess, or what else is in the way.
    """

    agent: FoundAgent
    name: str
    unknown_parameters: str

    @property
    def location(self) -> str:
        """The file and the line of the definition."""
        return f"{self.agent.file_path}:{self.agent.line_number}"
