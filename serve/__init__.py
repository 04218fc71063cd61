"""The scoring service on Ray Serve. Three deployments, a folder for each, and what they share below them.

    running      starts and stops the service on this machine
    app          the deployments; `somnolens.serve.app:build` is what configuration files name
    ingress      takes bytes over HTTP and answers: paths, the page, nights on their way
    worker       reads, prepares, draws, explains, reports
    scorer       looks at pictures, in passes shared by all requests
    monitoring   meters, and the drift alarm
    access       who may come, and with how much: the gate, keys, limits
    adapters     which there are, which one serves, how that changes
    nights       the store of nights, and what is kept of a scored one
    messages     what goes between them and to the client: schemas, problems, answers, chats

A folder imports only from those below it; `worker` and `scorer` know nothing of each other, neither do `access` and
`adapters`, and none but `app`, `running` and the meters knows Ray. Contracts in pyproject.toml hold that.
`page` has the files of the page, `config` the configurations for `serve deploy`.
"""
